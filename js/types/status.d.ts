declare global {
  interface HTMLElementTagNameMap {
    'presence-status': PresenceStatus;
  }
}
