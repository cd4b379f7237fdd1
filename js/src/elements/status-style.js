/** @module */

export const STATUS = `
.status { position: relative; container: presence-status / inline-size; }
.own { display: flex; align-items: center; gap: 4px 14px; flex-wrap: wrap; }
.own .state { font-size: 1.2em; white-space: normal; }
.own .mark { margin-inline-start: auto; }
.hint { flex-basis: 100%; font-size: .867em; color: var(--_soft); font-variant-numeric: tabular-nums; min-block-size: 1.5em; }

.trigger {
  display: inline-flex; align-items: center; gap: 10px; min-block-size: 38px; padding: 6px 12px; cursor: pointer;
  border: 1px solid var(--_line); border-radius: 99px; background: var(--_card);
}
.trigger:hover { border-color: var(--_edge); }
.trigger > svg { inline-size: 12px; block-size: 12px; color: var(--_soft); }
.trigger .link { display: inline-flex; color: var(--_c); }
.menu .panel {
  position: absolute; inset-block-start: calc(100% + 6px); inset-inline-end: 0; z-index: 10;
  inline-size: min(360px, calc(100vw - 28px)); padding: 16px;
  background: var(--_card); border: 1px solid var(--_line); border-radius: var(--_radius);
  box-shadow: 0 8px 30px light-dark(rgb(20 30 50 / .18), rgb(0 0 0 / .5));
}
.menu { display: inline-block; container: none; }
.panel { display: grid; gap: 14px; margin-block-start: 12px; }
.menu .panel { margin: 0; }

fieldset { border: 0; min-inline-size: 0; }
legend, .label { padding: 0; font-size: .867em; font-weight: 540; color: var(--_soft); }
legend { margin-block-end: 6px; }
.choices { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 8px; }
.choice { position: relative; }
.choice input { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; margin: 0; opacity: 0; cursor: pointer; }
.choice span {
  display: flex; flex-direction: column; align-items: flex-start; gap: 8px; block-size: 100%; padding: 11px 12px;
  border: 1px solid var(--_line); border-radius: 11px; font-weight: 540; font-size: .9em; line-height: 1.25;
}
.choice svg { inline-size: 18px; block-size: 18px; color: var(--_c); }
.choice input:hover + span { border-color: var(--_edge); }
.choice input:checked + span { background: var(--_t, var(--_tint)); border-color: var(--_c, var(--_accent)); box-shadow: inset 0 0 0 1px var(--_c, var(--_accent)); }
.choice input:focus-visible + span { outline: 2px solid var(--_accent); outline-offset: 2px; }
.how { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr) auto; gap: 10px; align-items: end; }
.how label { display: grid; gap: 5px; }
.menu .choices { grid-template-columns: minmax(0, 1fr); gap: 2px; }
.menu .choice span { flex-direction: row; align-items: center; border-color: transparent; padding: 8px 10px; }
.menu .how { grid-template-columns: minmax(0, 1fr); }

.notice { margin-block-start: 12px; }

@container presence-status (inline-size <= 560px) {
  .choices { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .choice span { flex-direction: row; align-items: center; }
  .choice:first-child { grid-column: 1 / -1; }
  .how { grid-template-columns: minmax(0, 1fr); }
}

@media (forced-colors: active) {
  .choice input:checked + span { outline: 2px solid Highlight; }
}
`;
