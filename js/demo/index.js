import { PEOPLE, avatar, h, icons } from './ui.js';

icons();
document.querySelector('#people').append(...Object.entries(PEOPLE).map(([user, [name, desk]]) => h('li', {},
  h('a', { class: 'person', href: `agent.html?agent=${user}`, target: '_blank' },
    avatar(user), h('span', {}, h('b', { text: name }), h('span', { text: desk }))))));
