/** @module */

export const BOARD = `
.board { container: presence-board / inline-size; position: relative; }
/* No grid or flex box around the rows: it would measure all of them for each change. */
.board > * + * { margin-block-start: var(--presence-gap, 16px); }
.top { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; }
.summary { color: var(--_soft); margin-inline-end: auto; font-variant-numeric: tabular-nums; }

.counts { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 12px; }
.count {
  display: grid; grid-template-columns: 1fr auto; align-items: center; gap: 0 8px; padding: 12px 15px; text-align: start;
  background: var(--_card); border: 1px solid var(--_line); border-radius: var(--_radius); box-shadow: var(--_shadow);
}
button.count { cursor: pointer; }
button.count:hover { border-color: var(--_edge); }
.count b { font-size: 1.6em; font-weight: 640; letter-spacing: -.02em; line-height: 1.2; font-variant-numeric: tabular-nums; }
.count svg { inline-size: 18px; block-size: 18px; color: var(--_c, var(--_soft)); }
.count span { grid-column: 1 / -1; font-size: .867em; color: var(--_soft); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.count[aria-pressed=true] {
  border-color: var(--_c, var(--_accent)); background: var(--_t, var(--_tint));
  box-shadow: inset 0 0 0 1px var(--_c, var(--_accent));
}
.count[aria-pressed=true] span { color: var(--_text); }

.panel {
  background: var(--_card); border: 1px solid var(--_line); border-radius: var(--_radius); box-shadow: var(--_shadow);
  overflow: clip; min-inline-size: 0;
}
.tools { display: flex; align-items: center; flex-wrap: wrap; gap: 10px 14px; padding: 14px 16px; border-block-end: 1px solid var(--_line); }
.tools .look { position: relative; flex: 1 1 200px; }
.tools .look svg { position: absolute; inset-block-start: 12px; inset-inline-start: 12px; inline-size: 14px; block-size: 14px; color: var(--_soft); pointer-events: none; }
.tools .look input { inline-size: 100%; padding-inline-start: 34px; }
.tools label.pick { display: flex; align-items: center; gap: 8px; font-size: .867em; font-weight: 540; color: var(--_soft); white-space: nowrap; }
.tools label.pick .field { font-size: 1.154em; font-weight: 400; color: var(--_text); }

.scroll { max-block-size: var(--presence-board-height, none); overflow: auto; }
.table { overflow-anchor: none; }
.table:focus { outline: none; }
.head, .row { display: grid; grid-template-columns: var(--_columns); align-items: center; gap: 0 16px; padding-inline: 18px; }
.head { position: sticky; inset-block-start: 0; z-index: 1; background: var(--_card); border-block-end: 1px solid var(--_line); padding-block: 5px; }
.head > div { font-size: .833em; font-weight: 540; color: var(--_soft); white-space: nowrap; }
.head button {
  display: inline-flex; align-items: center; gap: 5px; margin-inline-start: -6px; padding: 4px 6px; border: 0; border-radius: 6px;
  background: none; font-weight: inherit; cursor: pointer;
}
.head button:hover { background: var(--_sunk); color: var(--_text); }
.head svg { inline-size: 12px; block-size: 12px; opacity: 0; }
.head [aria-sort=ascending] svg, .head [aria-sort=descending] svg { opacity: 1; }
.head [aria-sort=descending] svg { transform: scaleY(-1); }
.head [aria-sort=ascending], .head [aria-sort=descending] { color: var(--_text); }

.section { display: flex; align-items: center; gap: 10px; padding: 9px 18px; background: var(--_sunk); border-block-end: 1px solid var(--_line); }
.section > div { display: flex; align-items: center; gap: 8px; font-weight: 600; }
.section svg { color: var(--_c); }
.section small { font-size: .867em; font-weight: 400; color: var(--_soft); font-variant-numeric: tabular-nums; }

/* Scrolled to, it is not under the head. */
.row { block-size: 4.2em; contain: layout style; scroll-margin-block-start: 2.6em; }
.row { border-block-end: 1px solid var(--_line); }
.body:last-child .row:last-child { border-color: transparent; }
.row.pick { cursor: pointer; }
.row:hover { background: var(--_sunk); }
.row.chosen { background: var(--_tint); }
.cell { min-inline-size: 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
.who { display: flex; align-items: center; gap: 12px; white-space: normal; font-weight: 400; }
.who > div { min-inline-size: 0; }
.name {
  display: block; max-inline-size: 100%; padding: 0; border: 0; background: none; text-align: start; font-weight: 580; line-height: 1.35;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
button.name { cursor: pointer; }
.row[data-status=offline] .name { color: var(--_soft); }
.note, .why { font-size: .833em; color: var(--_soft); line-height: 1.35; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.note { display: block; }
.why { display: block; padding-inline-start: 1.85em; }
.face {
  display: grid; place-items: center; flex: none; inline-size: 38px; block-size: 38px; border-radius: 50%;
  font-weight: 620; font-size: 13px; letter-spacing: .02em;
  background: light-dark(hsl(var(--_h) 52% 91%), hsl(var(--_h) 40% 24%));
  color: light-dark(hsl(var(--_h) 50% 27%), hsl(var(--_h) 60% 82%));
}
[data-hue="0"] { --_h: 10; } [data-hue="1"] { --_h: 50; } [data-hue="2"] { --_h: 90; } [data-hue="3"] { --_h: 145; }
[data-hue="4"] { --_h: 185; } [data-hue="5"] { --_h: 215; } [data-hue="6"] { --_h: 265; } [data-hue="7"] { --_h: 315; }

.beat > span { display: inline-flex; vertical-align: middle; align-items: center; gap: 7px; color: var(--_soft); }
.beat svg { inline-size: 16px; block-size: 16px; color: var(--_online); }
.beat [data-beat=missed] { color: var(--_dnd); font-weight: 560; }
.beat [data-beat=missed] svg { color: inherit; }
.beat [data-beat=none] svg { display: none; }
.groups { font-size: .867em; color: var(--_soft); overflow: hidden; text-overflow: ellipsis; }

.stale .counts b, .stale .body { filter: grayscale(1); }

.empty { text-align: center; padding: 48px 24px 54px; color: var(--_soft); }
.empty > svg { inline-size: 42px; block-size: 42px; margin: 0 auto 14px; color: var(--_edge); stroke-width: 1.2; }
.empty strong { display: block; color: var(--_text); font-size: 1.07em; font-weight: 620; margin-block-end: 4px; }
.empty slot { display: block; }
.empty ::slotted(*) { margin-block-start: 18px; }
.empty .button { margin-block-start: 18px; color: var(--_text); }

@container presence-board (inline-size <= 860px) {
  .counts { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
@container presence-board (inline-size <= 700px) {
  .counts { gap: 8px; }
  .count { padding: 9px 12px; }
  .count b { font-size: 1.4em; }
  .tools { padding: 12px 14px; }
  .tools .look { flex-basis: 100%; }
  .tools label.pick { flex: 1 1 0; min-inline-size: 0; flex-direction: column; align-items: stretch; gap: 3px; }
  .tools label.pick .field { padding-inline: 10px 26px; background-position: right 14px center, right 9px center; }
  .head { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
  .row { grid-template-columns: minmax(0, 1fr) auto; gap: 4px 12px; padding: 0 14px; block-size: 6.4em; align-content: center; }
  .lean .row { block-size: 4.2em; }
  .section { padding-inline: 14px; }
  .state-cell { text-align: end; max-inline-size: 46cqi; }
  .why { padding: 0; }
  .rest { font-size: .867em; color: var(--_soft); }
  .rest.start { grid-column: 1; }
  .rest.end { grid-column: 2; text-align: end; }
  .rest.dull { display: none; }
  .rest[data-short]::before { content: attr(data-short) " "; }
}

@media (forced-colors: active) {
  .count[aria-pressed=true], .row.chosen { outline: 2px solid Highlight; outline-offset: -2px; }
  .face { border: 1px solid CanvasText; }
}
`;
