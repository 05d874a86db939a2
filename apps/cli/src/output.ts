import type { CliContext } from './context.ts';

export interface OutputFlags {
  readonly json: boolean;
}

/** The answer: with `--json` one document, else lines for people. Nothing else ever goes to standard output. */
export function print(context: CliContext, flags: OutputFlags, document: unknown, lines: readonly string[]): void {
  const text = flags.json ? [JSON.stringify(document)] : lines;
  if (text.length > 0) context.process.stdout.write(`${text.map(printable).join('\n')}\n`);
}

/** Words beside the answer. */
export function say(context: CliContext, line: string): void {
  context.process.stderr.write(`${printable(line)}\n`);
}

/** Columns as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `HOST_STATUS_ACTIVE` → `active` */
export function wordOf(names: Readonly<Record<number, string>>, value: number, prefix: string): string {
  return (names[value] ?? String(value)).replace(prefix, '').toLowerCase();
}

/** Names come from others: an escape sequence in one (C0 but tab and newline, DEL, C1) must not reach the terminal. */
export function printable(text: string): string {
  return [...text].map((char) => (isControl(char.codePointAt(0) ?? 0) ? '\ufffd' : char)).join('');
}

function isControl(code: number): boolean {
  return (code < 0x20 && code !== 0x09 && code !== 0x0a) || (code >= 0x7f && code < 0xa0);
}
