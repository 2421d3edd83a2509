// Pictures for the emoji that the bot and the platforms use, so that they look
// the same on every machine.
import { el } from './dom.js';

const disc = 'M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0z';
const pictures = {
  '✅': { colour: 'good', disc, line: 'M4.3 8.3l2.5 2.5 5-5.3' },
  '❌': { colour: 'bad', disc, line: 'M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6' },
  '⏳': { colour: 'idle', disc, line: 'M8 4v4.3l2.8 1.7' },
  '⏸': { colour: 'wait', disc, line: 'M6.2 5v6M9.8 5v6' },
  '🔄': { colour: 'busy', spin: true, ring: 'M14.5 8A6.5 6.5 0 1 1 8 1.5' },
  '🚫': { colour: 'idle', disc, line: 'M4.5 11.5l7-7' },
  '⏭': { colour: 'idle', disc, line: 'M5 5l3.5 3L5 11M10.8 5v6' },
  '↩': { colour: 'back', disc, line: 'M6.5 4.5L4 7l2.5 2.5M4.3 7H9a2.3 2.3 0 0 1 0 4.6H7.5' },
  '❓': { colour: 'wait', disc, line: 'M5.8 6.2a2.2 2.2 0 1 1 3.4 1.9c-.8.5-1.2.9-1.2 1.7M8 12.1v.1' },
  '✔': { colour: 'good', ring: 'M2.5 8.5l3.7 3.8 7.3-8' },
  '✖': { colour: 'bad', ring: 'M3.5 3.5l9 9M12.5 3.5l-9 9' },
  '👀': { colour: 'plain', ring: 'M1.5 8c2-3.5 4.2-4.7 6.5-4.7S12.5 4.5 14.5 8c-2 3.5-4.2 4.7-6.5 4.7S3.5 11.5 1.5 8zM8 6.3a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4z' },
  '🚀': { colour: 'busy', ring: 'M5 10.5C5 6 8 2.5 13.5 2.5c0 5.5-3.5 8.5-8 8.5zM5.5 6.5L3 7l-1 2.5 3 .5M9.5 10.5L9 13l-2.5 1-.5-3M10.3 5.7v.1' },
  '👎': { colour: 'bad', ring: 'M8 13.5L5.5 9V3h6.3l1.7 5v1.5H9.3l.5 3zM5.5 9H2.8V3h2.7' },
  '👍': { colour: 'good', ring: 'M8 2.5L5.5 7v6h6.3l1.7-5V6.5H9.3l.5-3zM5.5 7H2.8v6h2.7' },
  '🔒': { colour: 'wait', ring: 'M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5' },
};
const words = { '✅': 'succeeded', '❌': 'failed', '⏳': 'queued', '⏸': 'waiting', '🔄': 'running', '🚫': 'cancelled', '⏭': 'skipped', '↩': 'rolled back', '❓': 'unknown', '✔': 'yes', '✖': 'no', '👀': 'eyes', '🚀': 'rocket', '👎': 'thumbs down', '👍': 'thumbs up', '🔒': 'locked' };
const known = new RegExp(`(${Object.keys(pictures).join('|')})\uFE0F?`, 'u');

export function icon(emoji) {
  const p = pictures[emoji.replace('\uFE0F', '')];
  if (!p) return el('span', {}, emoji);
  const svg = svgEl('svg', { viewBox: '-1 -1 18 18', 'aria-hidden': 'true' });
  if (p.disc) svg.append(svgEl('path', { d: p.disc, fill: 'currentColor' }), svgEl('path', { d: p.line, class: 'line' }));
  if (p.ring) svg.append(svgEl('path', { d: p.ring, class: 'ring' }));
  return el('span', { class: `icon ${p.colour}${p.spin ? ' spin' : ''}`, role: 'img', 'aria-label': words[emoji.replace('\uFE0F', '')] }, svg);
}

// withIcons splits a text into strings and pictures.
export function withIcons(text) {
  return text.split(known).map((part) => (pictures[part] ? icon(part) : part));
}

function svgEl(tag, props) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  return node;
}
