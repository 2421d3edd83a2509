// The pull request, as its page on GitHub shows it.
import { el, sync, sticky, avatar, post } from './dom.js';
import { icon } from './icons.js';
import { markdown, titled } from './markdown.js';

const $ = (id) => document.getElementById(id);
const reactions = { '+1': '👍', '-1': '👎', rocket: '🚀', eyes: '👀', heart: '❤', hooray: '🎉', laugh: '😄', confused: '😕' };
const short = (sha) => sha.slice(0, 7);

// draw shows the first pull request; as is who presses buttons.
export function draw(state, as) {
  const repo = state.github;
  const pr = repo.pull_requests[0];
  if (!pr) return;
  $('repo').textContent = repo.repo;
  $('pr-title').replaceChildren(el('span', {}, titled(pr.title)), el('span', { class: 'number' }, ` #${pr.number}`));
  const branch = pr.head.split(':').pop();
  sync($('pr-facts'), [{ key: 'facts', data: [pr.state, pr.author, branch, pr.base, pr.head_sha, repo.deployments.map((d) => d.id + d.state)] }], () => el('div', { class: 'facts' },
    el('span', { class: `state ${pr.state}` }, pr.state),
    el('b', {}, pr.author), ' wants ', el('code', {}, branch), ' in ', el('code', {}, pr.base),
    ' at ', el('code', { id: 'head' }, short(pr.head_sha)),
    deployments(repo)));
  conversation(pr);
  checks(pr, as);
}

function deployments(repo) {
  const latest = new Map();
  for (const d of repo.deployments) if (!latest.has(d.environment) || latest.get(d.environment).state === 'inactive') latest.set(d.environment, d);
  return el('span', { class: 'deployments' }, [...latest.values()].sort((a, b) => b.environment.localeCompare(a.environment)).map((d) => el('span', {
    class: `deployment ${d.state}`, title: `Deployment ${d.environment}: ${d.state.replace('_', ' ')}. ${d.description}`,
  }, icon(verdict(d.state)), `${d.environment} `, el('code', {}, short(d.sha)))));
}

function conversation(pr) {
  const box = $('conversation');
  const first = { id: 'first', author: pr.author, body: pr.body, at: '', reactions: {} };
  sync(box, [first, ...pr.comments].map((c) => ({ key: String(c.id), data: c })), comment);
  sticky(box);
}

function comment(c) {
  const counts = Object.entries(c.reactions);
  return el('article', { class: `comment${c.bot ? ' bot' : ''}`, 'data-author': c.author },
    avatar(c.author),
    el('div', { class: 'body' },
      el('header', {}, el('b', {}, c.author.replace('[bot]', '')), c.bot ? el('span', { class: 'badge' }, 'bot') : null,
        c.at ? el('time', { datetime: c.at }, time(c.at)) : 'opened this', c.edited ? el('span', { class: 'edited' }, 'edited') : null),
      el('div', { class: 'markdown' }, markdown(c.body)),
      counts.length ? el('p', { class: 'reactions' }, counts.map(([name, n]) => el('span', { class: 'reaction', title: name }, icon(reactions[name] ?? '❓'), ` ${n}`))) : null));
}

export function time(at) {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
}

// verdict is the picture of a status, a conclusion or a deployment's state.
function verdict(state) {
  return {
    success: '✅', failure: '❌', error: '❌', timed_out: '❌', pending: '⏳', queued: '⏳', in_progress: '🔄', action_required: '❓',
    cancelled: '🚫', neutral: '🚫', skipped: '⏭', stale: '🚫', inactive: '🚫',
  }[state] ?? '⏳';
}

// checks lists check runs, and what the status of the same name says.
function checks(pr, as) {
  const rows = pr.check_runs.map((run) => ({ run, status: pr.statuses.find((s) => s.context === run.name) }));
  for (const status of pr.statuses) if (!pr.check_runs.some((r) => r.name === status.context)) rows.push({ status });
  const states = rows.map(({ run, status }) => (run ? run.conclusion || run.status : status.state));
  const bad = states.filter((s) => ['failure', 'error', 'timed_out'].includes(s)).length;
  const busy = states.filter((s) => ['pending', 'queued', 'in_progress'].includes(s)).length;
  const text = rows.length === 0 ? 'No checks yet' : bad ? `${bad} of ${rows.length} checks failed` : busy ? `${busy} of ${rows.length} checks in progress` : 'All checks have passed';
  $('checks-summary').replaceChildren(icon(rows.length === 0 ? '⏳' : bad ? '❌' : busy ? '🔄' : '✅'), ` ${text} `, el('code', {}, short(pr.head_sha)));
  sync($('checks-list'), rows.map((r) => ({ key: (r.run ?? {}).name ?? r.status.context, data: r })), (r) => check(r, as));
}

const opened = new Map(); // whether the details of a check are shown, where somebody said

function check({ run, status }, as) {
  const name = run ? run.name : status.context;
  const state = run ? run.conclusion || run.status : status.state;
  const words = run && run.title ? titled(run.title) : (status && status.description) || '';
  const title = el('span', { class: 'title' }, words);
  title.title = title.textContent;
  const more = run && (run.summary || run.text) ? el('div', { class: 'markdown more' }, markdown(run.text), markdown(run.summary)) : null;
  return el('div', { class: 'check', 'data-check': name, 'data-state': state },
    el('div', { class: 'row' },
      more ? discloser(name, more, state === 'failure') : el('span', { class: 'nothing' }),
      icon(verdict(state)),
      el('b', {}, name), title,
      status ? el('span', { class: `status ${status.state}`, title: `Commit status ${status.context}: ${status.state}, ${status.description}` }, 'status') : null,
      run ? run.buttons.map((b) => el('button', { type: 'button', title: b.description, onclick: () => post('check', { as: as(), check: run.id, button: b.identifier }) }, b.label)) : null,
      run && run.status === 'completed' ? el('button', { type: 'button', class: 'quiet', title: 'Re-run this check', 'aria-label': `Re-run ${name}`, onclick: () => post('check', { as: as(), check: run.id }) }, '↻') : null),
    more);
}

// discloser is the button that shows the details of a check. What failed shows
// them unasked, for as long as it is failed.
function discloser(name, more, failed) {
  const toggle = () => { opened.set(name, more.hidden); show(more.hidden); };
  const button = el('button', { type: 'button', class: 'discloser', 'aria-label': `Details of ${name}`, onclick: toggle });
  const show = (open) => {
    more.hidden = !open;
    button.textContent = open ? '▾' : '▸';
    button.setAttribute('aria-expanded', open);
  };
  if (failed) more.querySelectorAll('details').forEach((d) => { d.open = true; });
  show(opened.get(name) ?? failed);
  return button;
}
