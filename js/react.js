/**
 * Hooks for React.
 *
 * @module
 */

export * from './src/react.js';
