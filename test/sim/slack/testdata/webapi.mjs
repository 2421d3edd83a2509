// Calls the simulator with Slack's own client and prints one line per result.
import { createRequire } from 'node:module';
const { WebClient } = createRequire(process.argv[2] + '/')('@slack/web-api');

const client = new WebClient(process.argv[4], {
  slackApiUrl: process.argv[3],
  retryConfig: { retries: 0 },
  rejectRateLimitedCalls: true,
});

async function show(name, call) {
  try {
    console.log(name, await call());
  } catch (e) {
    console.log(name, e.data?.error ?? e.code, (e.data?.response_metadata?.messages ?? []).join(' '));
  }
}

const section = (text) => ({ type: 'section', text: { type: 'mrkdwn', text } });
let posted;

await show('auth.test', async () => (await client.auth.test()).team_id);
await show('chat.postMessage', async () => {
  posted = await client.chat.postMessage({ channel: '#deploys', text: 'Deploying', blocks: [section('*Deploying*')] });
  return posted.message.text;
});
await show('thread', async () =>
  (await client.chat.postMessage({ channel: posted.channel, thread_ts: posted.ts, text: 'step 1' })).message.thread_ts === posted.ts);
await show('chat.update', async () =>
  (await client.chat.update({ channel: posted.channel, ts: posted.ts, text: 'Deployed', blocks: [] })).text);
await show('reactions.add', async () =>
  (await client.reactions.add({ channel: posted.channel, timestamp: posted.ts, name: 'rocket' })).ok);
await show('conversations.replies', async () =>
  (await client.conversations.replies({ channel: posted.channel, ts: posted.ts })).messages.length);
await show('users.info', async () => (await client.users.info({ user: 'U1' })).user.name);
await show('paginate', async () => {
  const names = [];
  for await (const page of client.paginate('users.list', { limit: 2 })) {
    names.push(...page.members.map((m) => m.name));
  }
  return names.join();
});
await show('invalid_blocks', () => client.chat.postMessage({ channel: '#deploys', text: 'x', blocks: [{ type: 'section' }] }));
await show('channel_not_found', () => client.chat.postMessage({ channel: 'C0', text: 'x' }));
await show('views.open', () => client.views.open({
  trigger_id: '1.2.3',
  view: { type: 'modal', title: { type: 'plain_text', text: 'x' }, blocks: [section('x')] },
}));
for (let i = 0; i < 3; i++) {
  await show('burst', async () => (await client.chat.postMessage({ channel: posted.channel, text: 'x' })).ok);
}
