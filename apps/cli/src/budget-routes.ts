import { buildCommand } from '@stricli/core';
import type { BudgetFlags, Hours } from './commands/budget.ts';
import type { CliContext } from './context.ts';
import { id, json } from './flags.ts';

const span = /^([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00))$/;

/** `08:00-18:00 22:00-02:00`, UTC; `always` for none. */
function parseHours(text: string): readonly Hours[] {
  if (text === 'always') return [];
  return text.split(' ').map((one) => {
    const match = span.exec(one);
    if (!match) throw new SyntaxError('such as 08:00-18:00, several with spaces between, or always');
    const [from, fromPast, to, toPast] = match
      .slice(1)
      .filter((part) => part !== undefined)
      .map(Number);
    const minutes = (hours = 0, past = 0) => hours * 60 + past;
    return { fromMinute: minutes(from, fromPast), toMinute: minutes(to, toPast) };
  });
}

function parseLimit(text: string): number {
  if (!/^(?:0|[1-9][0-9]{0,12})$/.test(text)) throw new SyntaxError('a whole number, 0 for no limit');
  return Number(text);
}

const limit = (brief: string, placeholder: string) =>
  ({ kind: 'parsed', parse: parseLimit, brief, placeholder, optional: true }) as const;

/** `budget` of an agent, a host or a client. */
export const budgetCommand = buildCommand<BudgetFlags, [string], CliContext>({
  loader: () => import('./commands/budget.ts'),
  parameters: {
    flags: {
      json,
      tokens: limit('tokens in one window', 'N'),
      window: limit('length of a window', 'SECONDS'),
      lifetime: limit('sum of the lifetimes of the tokens of one window', 'SECONDS'),
      fanOut: limit('different audiences in one window', 'N'),
      depth: limit('actors in the chain of a token', 'N'),
      hours: {
        kind: 'parsed',
        parse: parseHours,
        brief: 'when tokens may be made, UTC, such as 08:00-18:00; always',
        placeholder: 'HOURS',
        optional: true,
      },
    },
    positional: { kind: 'tuple', parameters: [id('whose budget', 'ID')] },
  },
  docs: { brief: 'show how much may be minted, or set a limit of it' },
});
