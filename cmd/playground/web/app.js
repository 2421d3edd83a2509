// The page: what the playground tells, drawn; what people do, sent.
import { el, sticky, avatar, post } from './dom.js';
import * as github from './github.js';
import * as slack from './slack.js';
import * as guide from './guide.js';

const $ = (id) => document.getElementById(id);
let state = null;

// chooser lets the person at the screen be one of the people.
function chooser(box, name) {
  for (const who of ['mona', 'octavia', 'eve']) {
    const input = el('input', { type: 'radio', name, value: who, onchange: redraw });
    input.checked = who === 'mona';
    box.append(el('label', { title: { mona: 'writes code', octavia: 'leads releases', eve: 'only reads' }[who] }, input, avatar(who), who));
  }
  return {
    get: () => box.querySelector('input:checked').value,
    set: (who) => { box.querySelector(`input[value=${who}]`).checked = true; redraw(); },
  };
}

const commenter = chooser($('comment-as'), 'comment-as');
const speaker = chooser($('slash-as'), 'slash-as');

function redraw() {
  if (!state) return;
  $('scene').textContent = state.scene || (patient ? 'GitHub lets an app write 80 times a minute, and the bot keeps to that: it goes on in a moment.' : '');
  document.body.classList.toggle('busy', state.scene !== '');
  github.draw(state, commenter.get);
  slack.draw(state, speaker.get);
  guide.draw(state, state.scene === '');
  for (const env of ['staging', 'prod']) site(env, state.running[env]);
}

function site(env, commit) {
  const label = $(`running-${env}`);
  if (label.dataset.commit === commit) return;
  const first = label.dataset.commit === undefined;
  label.dataset.commit = commit;
  label.replaceChildren(commit ? el('code', {}, commit) : 'nothing yet');
  const frame = $(`site-${env}`);
  frame.src = `/site/${env}/?at=${encodeURIComponent(commit)}`;
  if (!first) {
    const panel = frame.closest('.panel');
    panel.classList.remove('changed');
    requestAnimationFrame(() => panel.classList.add('changed'));
  }
}

const act = {
  // show brings the place where something happens onto a small screen.
  show: (where) => {
    if (!matchMedia('(max-width: 699px)').matches) return;
    document.querySelector(where === 'slash' || where === 'press' ? '.panel.slack' : '.panel.github').scrollIntoView();
  },
  become: (who) => speaker.set(who),
  comment: (who, text) => { commenter.set(who); return post('comment', { as: who, text }); },
  slash: (who, text) => { speaker.set(who); return post('slash', { as: who, text }); },
  // press finds the button on the screen, so that its question is asked as ever.
  press: (ts, label) => {
    const button = [...document.querySelectorAll(`[data-ts="${ts}"] .actions button`)].find((b) => b.textContent === label);
    if (button) {
      button.scrollIntoView({ block: 'center' });
      button.click();
    }
  },
};

function composer(form, input, send) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    input.value = '';
    if (!(await send(text))) input.value = text;
    input.focus();
  });
  if (input.tagName !== 'TEXTAREA') return; // there Enter sends by itself
  let shift = false;
  input.addEventListener('keydown', (event) => { shift = event.shiftKey; });
  input.addEventListener('beforeinput', (event) => {
    if (event.inputType !== 'insertLineBreak' || shift) return;
    event.preventDefault();
    form.requestSubmit();
  });
}

// Ctrl+Enter, Cmd+Enter on a Mac, sends whatever form somebody writes in.
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  if (!event.target.matches('input, textarea, select')) return;
  event.preventDefault();
  if (!event.repeat) event.target.form?.requestSubmit();
});

composer($('comment-form'), $('comment'), (text) => act.comment(commenter.get(), text));
composer($('slash-form'), $('slash'), (text) => act.slash(speaker.get(), text));
guide.make($('guide'), act, () => state);

let patient = 0; // a timer, while the bot waits for GitHub's limit

// limited notices that the bot waits, which would else look as if it slept.
function limited(line) {
  const wait = /budget content-minute .* is spent, wait ([0-9.]+)(m?s)/.exec(line);
  if (!wait) return;
  clearTimeout(patient);
  patient = setTimeout(() => { patient = 0; redraw(); }, wait[1] * (wait[2] === 's' ? 1000 : 1));
  redraw();
}

// The log: JSON lines, the level and the message first.
function logLine(text) {
  let entry;
  try { entry = JSON.parse(text); } catch { return el('div', {}, text); }
  const { time, level, msg, ...rest } = entry;
  const pairs = Object.entries(rest).map(([k, v]) => [' ', el('span', { class: 'key' }, `${k}=`), typeof v === 'string' ? v : JSON.stringify(v)]);
  return el('div', {}, el('time', {}, github.time(time)), ' ', el('span', { class: `level ${String(level).toLowerCase()}` }, level), ' ', el('b', {}, msg), pairs);
}

function logged(lines) {
  const box = $('log-lines');
  box.append(...lines.map(logLine));
  limited(lines[lines.length - 1]);
  if (lines.some((l) => l.includes('"command accepted over the API"') && l.includes('"surface":"cli"'))) {
    guide.typed();
    redraw();
  }
  while (box.children.length > 500) box.firstElementChild.remove();
  $('log-count').textContent = `${box.children.length} lines`;
  sticky(box);
}

const events = new EventSource('/events');
events.addEventListener('open', () => { $('log-lines').replaceChildren(); });
events.addEventListener('state', (event) => { state = JSON.parse(event.data); document.body.classList.remove('gone'); redraw(); });
events.addEventListener('log', (event) => logged(JSON.parse(event.data)));
events.addEventListener('error', () => { document.body.classList.add('gone'); $('scene').textContent = 'The playground does not answer. Was it ended?'; });
