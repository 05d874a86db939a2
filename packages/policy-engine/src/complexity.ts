/** Policies of one set: the largest sets seen in the field have some hundreds. */
const policiesMax = 1_000;
/** Brackets inside brackets. Cedar's parser recurses and its stack ends between 64 and 128. */
const depthMax = 32;
/** Operators of one policy. A chain of them nests as deeply as brackets do; the stack ends between 256 and 500. */
const operatorsMax = 200;

const token =
  /\/\/[^\n]*|"(?:[^"\\]|\\.)*"|(?<open>[([{])|(?<close>[)\]}])|(?<end>;)|(?<operator>&&|\|\||[=!<>]=|[<>+*.!-]|\b(?:if|has|like|in|is)\b)|\w+|[\s\S]/g;

/** What makes a policy text more than Cedar can be trusted to parse and evaluate; looked at before Cedar sees it. */
export function complexityErrors(text: string): string[] {
  const errors: string[] = [];
  let policies = 1;
  let depth = 0;
  let operators = 0;
  let line = 1;
  for (const { 0: lexeme, groups } of text.matchAll(token)) {
    if (groups?.open && ++depth === depthMax + 1) errors.push(`line ${line}: more than ${depthMax} nested brackets`);
    if (groups?.close) depth--;
    if (groups?.operator && ++operators === operatorsMax + 1) {
      errors.push(`line ${line}: more than ${operatorsMax} operators in one policy`);
    }
    if (groups?.end) {
      policies++;
      operators = 0;
    }
    for (const char of lexeme) if (char === '\n') line++;
  }
  if (policies > policiesMax + 1) errors.push(`more than ${policiesMax} policies`);
  return errors;
}
