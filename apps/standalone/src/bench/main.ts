import { benchAudit } from './audit.ts';
import { benchFeed } from './feed.ts';
import { benchPolicy } from './policy.ts';

/** `npm run bench -- NAME`: each compares, alternating in one run, and prints ratios. */
const benches: Readonly<Record<string, () => Promise<void>>> = {
  audit: benchAudit,
  feed: benchFeed,
  policy: benchPolicy,
};

const bench = benches[process.argv[2] ?? ''];
if (bench) await bench();
else process.stderr.write(`usage: npm run bench -- ${Object.keys(benches).join('|')}\n`);
process.exitCode = bench ? 0 : 2;
