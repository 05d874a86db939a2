import { benchAudit } from './audit.ts';
import { benchFeed } from './feed.ts';
import { benchPolicy } from './policy.ts';
import { benchTokens } from './tokens/bench-tokens.ts';

/** `npm run bench -- NAME`: each compares, alternating in one run, and prints ratios. */
const benches: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  audit: benchAudit,
  feed: benchFeed,
  policy: benchPolicy,
  tokens: benchTokens,
};

const [name = '', ...args] = process.argv.slice(2);
const bench = benches[name];
if (bench) await bench(args);
else process.stderr.write(`usage: npm run bench -- ${Object.keys(benches).join('|')}\n`);
if (!bench) process.exitCode = 2;
