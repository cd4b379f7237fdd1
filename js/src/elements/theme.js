/**
 * What the elements look like, as far as they share it.  All of it can be set
 * by custom properties without the underscore; light and dark follow the
 * page's `color-scheme`.
 *
 * @module
 */

const sheets = new Map();

/**
 * A style sheet that all elements of a page share: no `<style>`, so that a
 * strict Content-Security-Policy has nothing to object to.
 *
 * @param {string} css
 */
export function sheet(css) {
  let made = sheets.get(css);
  if (!made) {
    made = new CSSStyleSheet();
    made.replaceSync(css);
    sheets.set(css, made);
  }
  return made;
}

export const THEME = `
:host {
  --_text: var(--presence-text, light-dark(#18212d, #e7ecf2));
  --_soft: var(--presence-soft, light-dark(#56616f, #9ba7b6));
  --_card: var(--presence-card, light-dark(#fff, #161d26));
  --_sunk: var(--presence-sunk, light-dark(#f1f3f7, #10161d));
  --_line: var(--presence-line, light-dark(#e1e5ec, #27313e));
  --_edge: var(--presence-edge, light-dark(#8590a1, #6b7889));
  --_accent: var(--presence-accent, light-dark(#3557d6, #8aa4ff));
  --_tint: var(--presence-tint, light-dark(#eaeefc, #1d2740));
  --_on-accent: var(--presence-on-accent, light-dark(#fff, #0d1424));
  --_online: var(--presence-online, light-dark(#147a47, #4cc38a));
  --_online-tint: var(--presence-online-tint, light-dark(#e3f4ea, #12291f));
  --_away: var(--presence-away, light-dark(#8f5f00, #e5b449));
  --_away-tint: var(--presence-away-tint, light-dark(#fbf1d9, #2b2412));
  --_busy: var(--presence-busy, light-dark(#b54708, #ff9a62));
  --_busy-tint: var(--presence-busy-tint, light-dark(#fdeee3, #321f13));
  --_dnd: var(--presence-dnd, light-dark(#b3261e, #ff8079));
  --_dnd-tint: var(--presence-dnd-tint, light-dark(#fceaea, #351a1a));
  --_offline: var(--presence-offline, light-dark(#5b6675, #93a0b0));
  --_offline-tint: var(--presence-offline-tint, light-dark(#eceff3, #202833));
  --_radius: var(--presence-radius, 12px);
  --_shadow: var(--presence-shadow, 0 1px 2px light-dark(rgb(20 30 50 / .06), transparent));
  display: block;
  color: var(--_text);
  font: 400 var(--presence-font-size, .9375rem)/1.5 var(--presence-font, system-ui, sans-serif);
}
:host([hidden]) { display: none; }

*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
p, ul, fieldset { margin: 0; padding: 0; }
button, select, input { font: inherit; color: inherit; letter-spacing: inherit; }
svg { display: block; flex: none; inline-size: 1em; block-size: 1em; fill: currentColor; fill-rule: evenodd; }
svg.line { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
svg[data-icon=offline], svg[data-icon=invisible], svg[data-icon=auto] { stroke-width: 2; }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; border-radius: 6px; }

[data-status=online], [data-tone=good] { --_c: var(--_online); --_t: var(--_online-tint); }
[data-status=away], [data-tone=wait] { --_c: var(--_away); --_t: var(--_away-tint); }
[data-status=busy] { --_c: var(--_busy); --_t: var(--_busy-tint); }
[data-status=dnd], [data-tone=bad] { --_c: var(--_dnd); --_t: var(--_dnd-tint); }
[data-status=offline], [data-status=invisible], [data-tone=off] { --_c: var(--_offline); --_t: var(--_offline-tint); }

.aloud {
  position: absolute; inline-size: 1px; block-size: 1px; margin: -1px;
  overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
.state {
  display: inline-flex; align-items: center; gap: .45em;
  font-weight: 550; line-height: 1.35; color: var(--_c); white-space: nowrap;
}
.state svg { inline-size: 1.07em; block-size: 1.07em; }
.mark {
  display: inline-flex; align-items: center; gap: .5em; padding: .3em .85em .3em .7em;
  border-radius: 99px; font-size: .867em; font-weight: 560; white-space: nowrap;
  color: var(--_c); background: var(--_t);
}
.field {
  min-block-size: 38px; min-inline-size: 0; padding: 6px 12px; border-radius: 9px;
  border: 1px solid var(--_edge); background: var(--_card);
}
select.field {
  appearance: none; padding-inline-end: 32px; cursor: pointer; text-overflow: ellipsis;
  background-image:
    linear-gradient(45deg, transparent 50%, var(--_soft) 50%),
    linear-gradient(-45deg, transparent 50%, var(--_soft) 50%);
  background-size: 5px 5px; background-repeat: no-repeat;
  background-position: right 17px center, right 12px center;
}
select.field:dir(rtl) { background-position: left 12px center, left 17px center; }
select.field option { background: var(--_card); color: var(--_text); }
::placeholder { color: var(--_soft); opacity: 1; }
.button {
  display: inline-flex; align-items: center; justify-content: center; gap: 8px; min-block-size: 38px; padding: 6px 14px;
  border-radius: 9px; border: 1px solid var(--_edge); background: var(--_card); font-weight: 540; cursor: pointer;
}
.button:hover { background: var(--_sunk); }
.notice {
  display: flex; gap: 12px; align-items: center; padding: 11px 16px; border-radius: var(--_radius);
  background: var(--_t); color: var(--_text);
}
.notice > svg { inline-size: 20px; block-size: 20px; color: var(--_c); }
.notice .button { margin-inline-start: auto; }

@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { transition: none !important; animation: none !important; }
}
@media (forced-colors: active) {
  select.field { appearance: auto; background-image: none; }
}
`;
