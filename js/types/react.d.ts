import type { HTMLAttributes, RefAttributes } from 'react';
import type { PresenceBoard } from './board.js';
import type { PresenceStatus } from './status.js';

/** Attributes and properties of an element that JSX takes: those of any, and of its own. */
type Props<E, Attributes extends string, Properties extends keyof E> = HTMLAttributes<E> & RefAttributes<E>
  & { [name in Attributes]?: string | boolean } & Partial<Pick<E, Properties>>;

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'presence-board': Props<PresenceBoard,
        'url' | 'groups' | 'users' | 'mode' | 'include-offline' | 'user' | 'credentials' | 'columns' | 'controls'
        | 'selectable' | 'label' | 'status' | 'group' | 'sort' | 'group-by' | 'announce',
        'presence' | 'labels' | 'filter' | 'nameOf' | 'noteOf' | 'selected'>;
      'presence-status': Props<PresenceStatus,
        'url' | 'worker' | 'credentials' | 'menu' | 'durations' | 'statuses' | 'no-text' | 'label',
        'presence' | 'labels'>;
    }
  }
}
