import type { Rule } from './source.ts';

const allowed = new Set(
  'apps proto packages infra package.json bun.lockb tsconfig.json README.md bunfig.toml LICENSE'.split(' '),
);

/** The top level is fixed, so that a newcomer reads it once. */
export const topLevel: Rule = (files) =>
  files
    .filter(({ path }) => !path.startsWith('.') && !allowed.has(path.split('/')[0] as string))
    .map(({ path }) => ({
      path,
      line: 1,
      rule: 'top-level',
      message: `${path.split('/')[0]} is no entry of the top level: move it into apps, packages, proto or infra`,
    }));
