// The channel, as Slack shows it to one person.
import { el, sync, sticky, avatar, post, toast } from './dom.js';
import { icon, withIcons } from './icons.js';
import { block, mrkdwn, emojiOf } from './mrkdwn.js';

const $ = (id) => document.getElementById(id);
let people = [];
const nameOf = (id) => (people.find((u) => u.id === id) ?? { name: id }).name;

// draw shows the channel as the person sees it.
export function draw(state, as) {
  people = state.slack.users;
  const channel = state.slack.channels.find((c) => c.name === state.channel);
  if (!channel) return;
  const me = (people.find((u) => u.name === as()) ?? {}).id;
  $('channel').replaceChildren(el('span', { class: 'hash' }, '# '), channel.name);
  $('members').textContent = `${channel.members.map(nameOf).filter((n) => n !== 'shipmate').join(', ')} and shipmate`;
  const visible = (m) => !m.visible_to || m.visible_to === me;
  const box = $('messages');
  sync(box, (channel.messages ?? []).filter(visible).map((m) => ({ key: m.ts, data: { ...m, replies: (m.replies ?? []).filter(visible) } })), (m) => message(m, as));
  sticky(box);
  modal(state.slack, me, as);
}

function message(m, as, reply) {
  const press = (e, option) => ask(e.confirm, () => post('click', { as: as(), message: m.ts, button: e.action_id, option: option ?? '' }));
  return el('article', { class: `message${m.visible_to ? ' ephemeral' : ''}${reply ? ' reply' : ''}`, 'data-ts': m.ts },
    avatar(m.name || nameOf(m.user)),
    el('div', { class: 'body' },
      el('header', {}, el('b', {}, m.name || nameOf(m.user)), m.bot ? el('span', { class: 'badge' }, 'app') : null,
        el('time', {}, clock(m.ts)), m.edited ? el('span', { class: 'edited' }, 'edited') : null,
        m.visible_to ? el('span', { class: 'only' }, icon('👀'), ' Only visible to you') : null),
      el('div', { class: 'blocks' }, content(m, press)),
      (m.reactions ?? []).length ? el('p', { class: 'reactions' }, m.reactions.map((r) => el('span', { class: 'reaction' }, withIcons(emojiOf(r.name)), ` ${r.users.length}`))) : null,
      (m.replies ?? []).length ? el('details', { class: 'thread', open: m.replies.length <= 4 }, el('summary', {}, `${m.replies.length} ${m.replies.length === 1 ? 'reply' : 'replies'}`),
        m.replies.map((r) => message(r, as, true))) : null));
}

function content(m, press) {
  if (!(m.blocks ?? []).length) return [el('div', {}, m.plain ? m.text : mrkdwn(m.text, nameOf))];
  return m.blocks.map((b) => block(b, nameOf, press));
}

function clock(ts) {
  return new Date(Number(ts) * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
}

const dialog = () => $('dialog');

// ask shows the question of a button, if it has one, before it acts.
function ask(question, yes) {
  if (!question) return yes();
  const words = (o, otherwise) => (o ? o.text : otherwise);
  const close = () => { dialog().close(); };
  shown = '';
  dialog().replaceChildren(
    el('h2', { id: 'dialog-title' }, words(question.title, 'Are you sure?')),
    el('p', {}, words(question.text, '')),
    el('div', { class: 'actions' },
      el('button', { type: 'button', onclick: close }, words(question.deny, 'Cancel')),
      el('button', { type: 'button', class: question.style === 'danger' ? 'danger' : 'primary', id: 'dialog-yes', onclick: () => { close(); yes(); } }, words(question.confirm, 'Yes'))));
  dialog().oncancel = null;
  if (!dialog().open) dialog().showModal();
  $('dialog-yes').focus();
}

let shown = ''; // the modal that is on the screen, as JSON

// modal shows the form that the person has open, if any.
function modal(slack, me, as) {
  const view = (slack.modals ?? []).filter((v) => v.user === me).pop();
  const state = view ? JSON.stringify([view.id, view.blocks, view.title]) : '';
  if (view && state === shown) return wrong(view);
  if (!view) {
    if (shown) dialog().close();
    shown = '';
    return undefined;
  }
  shown = state;
  const press = (e, option) => ask(e.confirm, () => post('click', { as: as(), view: view.id, button: e.action_id, option: option ?? '' }));
  const close = () => post('close', { as: as() });
  const submit = (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.target));
    post('submit', { as: as(), view: view.id, values });
  };
  dialog().replaceChildren(el('form', { onsubmit: submit },
    el('h2', { id: 'dialog-title' }, view.title),
    view.blocks.map((b) => block(b, nameOf, press)),
    el('div', { class: 'actions' },
      el('button', { type: 'button', onclick: close }, view.close || 'Close'),
      view.submit ? el('button', { type: 'submit', class: 'primary' }, view.submit) : null)));
  dialog().oncancel = (event) => { event.preventDefault(); close(); };
  if (!dialog().open) dialog().showModal();
  return wrong(view);
}

// wrong shows what the bot found wrong with the form's fields.
function wrong(view) {
  for (const note of dialog().querySelectorAll('.wrong')) note.textContent = '';
  for (const [field, text] of Object.entries(view.errors ?? {})) {
    const note = $(`field-${field}-wrong`);
    if (note) note.textContent = text;
    else toast(text);
  }
}
