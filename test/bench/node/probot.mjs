// Takes webhooks with Probot and puts the facts of a comment into a BullMQ
// queue before it answers. Arguments: Redis, webhook secret. Prints its URL.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { Queue } from "bullmq";
import { createNodeMiddleware, createProbot } from "probot";

const [address, secret] = process.argv.slice(2);
const [host, port] = address.split(":");
const queue = new Queue("said", { connection: { host, port: Number(port) } });
const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

const app = (probot) => {
  probot.on("issue_comment.created", async ({ id, payload: p }) => {
    if (!p.issue.pull_request) return;
    await queue.add("said", {
      repo: p.repository.id, owner: p.repository.owner.login, name: p.repository.name,
      installation: p.installation.id, pr: p.issue.number, comment: p.comment.id,
      actor: p.sender.id, login: p.sender.login, text: p.comment.body, at: p.comment.created_at,
    }, { jobId: id, removeOnComplete: true });
  });
};

const path = "/api/github/webhooks";
const probot = createProbot({ overrides: { appId: 1, privateKey, secret, logLevel: "error" } });
const middleware = await createNodeMiddleware(app, { probot, webhooksPath: path });
await queue.waitUntilReady();
const server = createServer((req, res) => middleware(req, res, () => res.writeHead(404).end()));
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}${path}`));
