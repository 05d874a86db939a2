/**
 * Whether two distinguished names in the form of RFC 4514 name the same subject: attribute types without case, values as
 * they are, spaces around separators ignored. Anything that cannot be read is nobody's name.
 */
export function isSameSubject(one: string, other: string): boolean {
  const [a, b] = [readName(one), readName(other)];
  return a !== undefined && b !== undefined && a.length > 0 && a.join('\n') === b.join('\n');
}

/** `TYPE=value` of each relative name, as separated by commas that are not escaped (RFC 4514 §3). */
function readName(text: string): string[] | undefined {
  const parts = text.match(/(?:\\.|[^,\\])+/g) ?? [];
  if (parts.join(',') !== text) return undefined;
  const read = parts.map((part) => /^\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)\s*=\s*(\S|\S.*\S)\s*$/.exec(part));
  if (read.some((match) => match === null)) return undefined;
  return read.map((match) => `${match?.[1]?.toUpperCase()}=${match?.[2]}`);
}
