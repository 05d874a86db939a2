import type { Person } from '../../tour/person.ts';

/** What a person does when they are asked for their consent. */
export type Answer = 'allow' | 'deny';

/** Redirects and pages between the request and its answer: sign-in, consent, the callback, with room to spare. */
const hopsMax = 8;

/**
 * Takes a signed-in person through an authorization request, by the pages that they would see, without JavaScript.
 * @returns the URL of the client that they end at, with the answer in its query.
 * @throws Error when they end anywhere else.
 */
export async function authorizeAs(person: Person, url: URL, answer: Answer = 'allow'): Promise<URL> {
  let next = url;
  for (let hop = 0; hop < hopsMax; hop++) {
    if (!isOurs(person, next)) return next;
    const response = await person.fetch(pathOf(person, next));
    const location = response.headers.get('location');
    if (location !== null) {
      next = new URL(location, next);
      continue;
    }
    const html = await response.text();
    if (response.status !== 200) throw new Error(`${next.pathname} answered ${response.status}: ${textOf(html)}`);
    next = await submitForm(person, next, html, { decision: answer });
  }
  throw new Error(`no answer after ${hopsMax} pages`);
}

/** Fills in the form of a page, with what its hidden fields hold. @returns where it leads. */
export async function submitForm(
  person: Person,
  page: URL,
  html: string,
  fields: Readonly<Record<string, string>>,
): Promise<URL> {
  const [, action = ''] = /<form[^>]*action="([^"]*)"/.exec(html) ?? [];
  const target = new URL(unescapeHtml(action), page);
  const answer = await person.fetch(pathOf(person, target), {
    method: 'POST',
    headers: { origin: target.origin },
    body: new URLSearchParams({ ...hiddenFields(html), ...fields }),
  });
  const location = answer.headers.get('location');
  if (location === null)
    throw new Error(`${target.pathname} answered ${answer.status}: ${textOf(await answer.text())}`);
  return new URL(location, target);
}

/** The hidden fields of a page. */
function hiddenFields(html: string): Record<string, string> {
  const inputs = html.match(/<input[^>]*type="hidden"[^>]*>/g) ?? [];
  return Object.fromEntries(
    inputs.map((input) => [attributeOf(input, 'name'), unescapeHtml(attributeOf(input, 'value'))]),
  );
}

/** The words of a page. */
export function textOf(html: string): string {
  return html
    .replace(/<(style|head)[\s\S]*?<\/\1>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function attributeOf(tag: string, name: string): string {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '';
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

function isOurs(person: Person, url: URL): boolean {
  return url.href.startsWith(`${person.issuer}/`);
}

function pathOf(person: Person, url: URL): string {
  return url.href.slice(person.issuer.length);
}
