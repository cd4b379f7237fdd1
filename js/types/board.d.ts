declare global {
  interface HTMLElementTagNameMap {
    'presence-board': PresenceBoard;
  }
}
