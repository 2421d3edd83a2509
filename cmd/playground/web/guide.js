// What to try, with a button each; a step ticks itself when it has happened,
// whichever way somebody did it.
import { el, post, avatar, toast } from './dom.js';
import { icon } from './icons.js';

const runsOf = (s) => s.github.pull_requests[0].check_runs;
const checkIs = (s, name, conclusion) => runsOf(s).some((r) => r.name === name && r.conclusion === conclusion);
const messages = (s) => s.slack.channels.flatMap((c) => c.messages ?? []).flatMap((m) => [m, ...(m.replies ?? [])]);
const said = (s, words) => messages(s).some((m) => words.test(m.rendered)) || s.github.pull_requests[0].comments.some((c) => c.bot && words.test(c.body));
const question = (s) => messages(s).reverse().find((m) => (m.buttons ?? []).some((b) => b.text === 'Approve'));
const main = (s) => s.github.branches.main.slice(0, 7);

// once remembers that something has been, for steps that speak of a change.
const been = {};
const once = (name, now) => { been[name] = been[name] || now; return been[name]; };

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
  { name: 'status', text: 'Ask what runs where', as: 'octavia', say: '/status', where: 'slash', done: (s) => said(s, /^• \*staging\*/m) || said(s, /^- \*\*staging\*\*/m) },
  { name: 'typo', text: 'Mistype', as: 'mona', say: '/deploy prdo', where: 'comment', done: (s) => said(s, /Did you mean/) },
  { name: 'stranger', text: 'Try it without rights', as: 'eve', say: '/deploy staging', where: 'comment', done: (s) => said(s, /eve may not|eve.*you have read/) },
];

const ticked = new Set();

// make builds the list; act.comment and act.slash type and send for somebody.
export function make(box, act, state) {
  for (const step of steps) {
    box.append(el('li', { id: `step-${step.name}` },
      el('span', { class: 'tick' }),
      el('span', { class: 'what' }, step.text),
      el('button', { type: 'button', id: `do-${step.name}`, title: how(step), onclick: () => run(step, act, state()) }, avatar(step.as), step.say)));
  }
}

function how(step) {
  return { comment: `${step.as} comments ${step.say}`, slash: `${step.as} says ${step.say} in Slack`, press: `${step.as} presses ${step.say} in Slack`, push: `${step.as} pushes a commit` }[step.where];
}

function run(step, act, state) {
  if (step.where === 'push') return post('push', { change: step.change });
  if (step.where !== 'press') return act[step.where](step.as, step.say);
  act.become(step.as);
  const m = question(state);
  if (!m) return toast('Nothing waits for approval now. First ask for prod.');
  return act.press(m.ts, step.say);
}

export function draw(state, ready) {
  let next = null;
  for (const step of steps) {
    if (ready && !ticked.has(step.name) && step.done(state)) ticked.add(step.name);
    const li = document.getElementById(`step-${step.name}`);
    const done = ticked.has(step.name);
    if (done && !li.classList.contains('done')) {
      li.classList.add('done');
      li.querySelector('.tick').replaceChildren(icon('✅'));
    }
    li.classList.toggle('next', !done && !next);
    if (!done && !next) next = step;
  }
  document.getElementById('guide-count').textContent = `${ticked.size} of ${steps.length}`;
}
