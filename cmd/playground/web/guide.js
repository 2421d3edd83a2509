// What to try, a button each; a step ticks itself when it has happened, whichever
// way somebody did it.
import { el, post, avatar, toast } from './dom.js';
import { icon } from './icons.js';

const runsOf = (s) => s.github.pull_requests[0].check_runs;
const checkIs = (s, name, conclusion) => runsOf(s).some((r) => r.name === name && r.conclusion === conclusion);
const messages = (s) => s.slack.channels.flatMap((c) => c.messages ?? []).flatMap((m) => [m, ...(m.replies ?? [])]);
const said = (s, words) => messages(s).some((m) => words.test(m.rendered)) || s.github.pull_requests[0].comments.some((c) => c.bot && words.test(c.body));
const question = (s) => messages(s).reverse().find((m) => (m.buttons ?? []).some((b) => b.text === 'Approve'));
const main = (s) => s.github.branches.main.slice(0, 7);

// kept is what a reload must not forget: steps that are ticked, and what has
// been, for steps that speak of a change. It belongs to one playground.
let kept = { playground: '', ticked: [], been: [] };
const once = (name, now) => {
  if (now && !kept.been.includes(name)) kept.been.push(name);
  return kept.been.includes(name);
};

function recall(playground) {
  kept = { playground, ticked: [], been: [] };
  try {
    const found = JSON.parse(localStorage.getItem('guide'));
    if (found?.playground === playground) kept = found;
  } catch { /* nothing was kept, or nothing can be: the guide works without */ }
}

function keep() {
  try { localStorage.setItem('guide', JSON.stringify(kept)); } catch { /* likewise */ }
}

// typed is told that somebody used the command line, which only the bot's log shows.
export function typed() {
  once('typed', true);
}

const steps = [
  { name: 'staging', text: 'Deploy to staging', as: 'mona', say: '/deploy staging', where: 'comment', done: (s) => checkIs(s, 'shipmate/deploy/staging', 'success') },
  { name: 'diff', text: 'See what prod would get', as: 'mona', say: '/diff prod', where: 'comment', done: (s) => said(s, /would bring/) },
  { name: 'prod', text: 'Ask for prod', as: 'mona', say: '/deploy prod', where: 'comment', done: (s) => runsOf(s).some((r) => r.name === 'shipmate/deploy/prod') },
  { name: 'why', text: 'Ask why it waits', as: 'mona', say: '/why prod', where: 'comment', done: (s) => said(s, /is waiting:|If you deployed/) },
  { name: 'approve', text: 'Say yes, as the lead', as: 'octavia', say: 'Approve', where: 'press', done: (s) => checkIs(s, 'shipmate/deploy/prod', 'success') },
  { name: 'rollback', text: 'Take it back', as: 'mona', say: '/rollback prod', where: 'slash', done: (s) => said(s, /was undone\. .* runs again/) },
  { name: 'unlock', text: 'Unlock prod again', as: 'mona', say: '/unlock prod', where: 'slash', done: (s) => said(s, /is unlocked/) },
  { name: 'promote', text: 'Send staging to prod', as: 'mona', say: '/promote staging prod', where: 'comment', done: (s) => said(s, /was undone/) && s.running.prod === main(s) && runsOf(s).some((r) => r.name === 'shipmate/deploy/prod' && r.status !== 'completed') },
  { name: 'break', text: 'Push a mistake', as: 'mona', say: 'break the build', where: 'push', change: 'break', done: (s) => checkIs(s, 'shipmate/checks', 'failure') },
  { name: 'undo', text: 'Deploy it anyway', as: 'mona', say: '/deploy staging', where: 'comment', done: (s) => checkIs(s, 'shipmate/deploy/staging', 'failure') },
  { name: 'fix', text: 'Push the fix', as: 'mona', say: 'fix the build', where: 'push', change: 'fix', done: (s) => once('broken', checkIs(s, 'shipmate/checks', 'failure')) && checkIs(s, 'shipmate/checks', 'success') },
  { name: 'status', text: 'Ask what runs where', as: 'octavia', say: '/shipmate status', where: 'slash', done: (s) => said(s, /^• \*staging\*/m) || said(s, /^- \*\*staging\*\*/m) },
  { name: 'typo', text: 'Mistype', as: 'mona', say: '/deploy prdo', where: 'comment', done: (s) => said(s, /Did you mean/) },
  { name: 'terminal', text: 'Deploy from your terminal', as: 'mona', say: 'shipmate deploy', where: 'terminal', done: () => once('typed', false) },
  { name: 'stranger', text: 'Try it without rights', as: 'eve', say: '/deploy staging', where: 'comment', done: (s) => said(s, /eve may not|eve.*you have read/) },
];

// make builds the list; act.comment and act.slash type and send for somebody.
export function make(box, act, state) {
  for (const step of steps) {
    box.append(el('li', { id: `step-${step.name}` },
      el('button', { type: 'button', id: `do-${step.name}`, title: how(step), onclick: () => run(step, act, state()) },
        el('span', { class: 'tick' }),
        el('span', { class: 'what' }, step.text),
        el('span', { class: 'say' }, avatar(step.as), el('span', {}, step.say)))));
  }
}

function how(step) {
  return {
    comment: `${step.as} comments ${step.say}`,
    slash: `${step.as} says ${step.say} in Slack`,
    press: `${step.as} presses ${step.say} in Slack`,
    push: `${step.as} pushes a commit`,
    terminal: 'Shows what to paste into a terminal on this machine',
  }[step.where];
}

function run(step, act, state) {
  if (step.where === 'terminal') return lines(state.terminal);
  act.show(step.where);
  if (step.where === 'push') return post('push', { change: step.change });
  if (step.where !== 'press') return act[step.where](step.as, step.say);
  act.become(step.as);
  const m = question(state);
  if (!m) return toast('Nothing waits for approval now. First ask for prod.');
  return act.press(m.ts, step.say);
}

// lines shows what to paste into a terminal, or hides it again.
function lines(text) {
  const li = document.getElementById('step-terminal');
  const shown = li.querySelector('.terminal');
  if (shown) return shown.remove();
  const copy = el('button', { type: 'button', id: 'copy', onclick: () => {
    const no = () => toast('The browser does not let this page copy. Select the lines and copy them.');
    navigator.clipboard.writeText(text).then(() => { copy.textContent = 'Copied'; }, no);
  } }, 'Copy');
  li.append(el('div', { class: 'terminal' },
    el('p', {}, 'Paste this into a terminal on this machine. It acts as mona.'),
    el('pre', { tabindex: '0' }, el('code', {}, text)), copy));
  return li.scrollIntoView({ block: 'nearest' });
}

export function draw(state, ready) {
  if (kept.playground !== state.id) recall(state.id);
  const before = JSON.stringify(kept);
  let next = null;
  for (const step of steps) {
    // done is asked first: it may have to remember what it sees.
    if (ready && step.done(state) && !kept.ticked.includes(step.name)) kept.ticked.push(step.name);
    const li = document.getElementById(`step-${step.name}`);
    const done = kept.ticked.includes(step.name);
    if (done !== li.classList.contains('done')) {
      li.classList.toggle('done', done);
      li.querySelector('.tick').replaceChildren(...(done ? [icon('✅')] : []));
    }
    const isNext = !done && !next;
    if (isNext && !li.classList.contains('next')) reveal(li);
    li.classList.toggle('next', isNext);
    if (isNext) next = step;
  }
  document.getElementById('guide-count').textContent = `${kept.ticked.length} of ${steps.length}`;
  if (JSON.stringify(kept) !== before) keep();
}

// reveal scrolls the list, and nothing around it, to the step that comes next.
function reveal(li) {
  const box = li.parentElement;
  box.scrollTop = li.offsetTop - box.offsetTop - (box.clientHeight - li.offsetHeight) / 2;
}
