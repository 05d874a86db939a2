import { base64url, utf8 } from '@mono-auth/core/encoding';

/** The members of a JSON object as text, so that what is written is exactly what is signed. */
type Members = readonly (readonly [name: string, json: string])[];

/** A JWT before it is signed. */
export interface Draft {
  readonly header: Members;
  readonly payload: Members;
}

export type SignBytes = (input: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

/** One way of writing a JWT, and what every verifier has to make of it. */
export interface Spelling {
  readonly name: string;
  readonly answer: Answer;
  readonly bend: (draft: Draft) => Draft;
}

/** What a verifier said; anything else than these two is told in full, because it is a fault. */
export type Answer = 'taken' | 'refused' | `${number} ${string}`;

/**
 * Values of another type, as JSON, for each member that somebody looks at. `@` stands for the right value, so that a list of
 * it, or a text of it, differs by its type alone.
 */
export type WrongTypes = Readonly<Record<string, readonly string[]>>;

export function draftOf(header: object, payload: object): Draft {
  return { header: membersOf(header), payload: membersOf(payload) };
}

const membersOf = (object: object): Members =>
  Object.entries(object)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, JSON.stringify(value)] as const);

/** Signs a draft as it stands. No library would: each of them takes objects, and an object has no member twice. */
export async function signDraft({ header, payload }: Draft, sign: SignBytes): Promise<string> {
  const input = [header, payload].map((members) => base64url(utf8(textOf(members)))).join('.');
  return `${input}.${base64url(await sign(utf8(input)))}`;
}

const textOf = (members: Members) => `{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;

/** ES256 by a key of the test's own. */
export function signerOf(privateKey: CryptoKey): SignBytes {
  return async (input) =>
    new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, input));
}

/** What 200 and a refusal of one of `refusals` mean; whatever else is told as it is. */
export function answerOf(refusals: readonly number[], { status, body }: { status: number; body: unknown }): Answer {
  if (status === 200) return 'taken';
  return refusals.includes(status) ? 'refused' : `${status} ${JSON.stringify(body)}`;
}

/** Spellings of one statement: order and strangers change nothing, and are taken wherever the usual spelling is. */
const harmless: readonly Spelling[] = [
  { name: 'as usual', answer: 'taken', bend: (draft) => draft },
  {
    name: 'in another order',
    answer: 'taken',
    bend: ({ header, payload }) => ({ header: header.toReversed(), payload: payload.toReversed() }),
  },
  {
    name: 'with members that nobody knows',
    answer: 'taken',
    bend: ({ header, payload }) => ({
      header: [['x', '{"alg":"none"}'], ...header],
      payload: [['x', '[{"aud":"elsewhere"}]'], ...payload, ['__proto__', '{"scope":"all","aud":"elsewhere"}']],
    }),
  },
];

/** @returns every spelling, given the members that a kind of JWT has and its verifiers look at. */
export function spellingsOf(wrong: { readonly header: WrongTypes; readonly payload: WrongTypes }): Spelling[] {
  return [...harmless, ...partOf('header', wrong.header), ...partOf('payload', wrong.payload)];
}

function partOf(part: keyof Draft, wrong: WrongTypes): Spelling[] {
  return Object.entries(wrong).flatMap(([name, values]) => [
    ...twice(part, name, values[0] as string),
    ...values.map((json) => mistyped(part, name, json)),
  ]);
}

/** RFC 7519 §4, RFC 7515 §4: of members with one name the last one counts, here as everywhere. */
function twice(part: keyof Draft, name: string, json: string): Spelling[] {
  const other = (draft: Draft) => [name, fill(json, draft[part], name)] as const;
  return [
    {
      name: `${part}: ${name} twice, the last one right`,
      answer: 'taken',
      bend: (draft) => ({ ...draft, [part]: [other(draft), ...draft[part]] }),
    },
    {
      name: `${part}: ${name} twice, the last one wrong`,
      answer: 'refused',
      bend: (draft) => ({ ...draft, [part]: [...draft[part], other(draft)] }),
    },
  ];
}

function mistyped(part: keyof Draft, name: string, json: string): Spelling {
  return {
    name: `${part}: ${name} is ${json}`,
    answer: 'refused',
    bend: (draft) => ({
      ...draft,
      [part]: draft[part].map((member) =>
        member[0] === name ? ([name, fill(json, draft[part], name)] as const) : member,
      ),
    }),
  };
}

/** @throws Error for a member that the draft has not: nothing would be bent. */
function fill(json: string, members: Members, name: string): string {
  const right = members.find((member) => member[0] === name);
  if (!right) throw new Error(`the right one has no ${name}`);
  return json.replaceAll('@', right[1]);
}

export interface NamedVerifier {
  readonly name: string;
  /** Signs a right statement that was bent, shows it to the verifier, and says what that made of it. */
  readonly ask: (bend: Spelling['bend']) => Promise<Answer>;
}

/**
 * Shows every spelling to every verifier.
 * @returns what any of them said that it must not.
 */
export async function disagreements(
  spellings: readonly Spelling[],
  verifiers: readonly NamedVerifier[],
): Promise<string[]> {
  const faults: string[] = [];
  for (const { name, answer, bend } of spellings) {
    const said = await Promise.all(verifiers.map(({ ask }) => ask(bend)));
    for (const [i, verifier] of verifiers.entries()) {
      if (said[i] !== answer) faults.push(`${name}, at ${verifier.name}: ${said[i]}, not ${answer}`);
    }
  }
  return faults;
}

/** Members of every JWT's header. */
export const headerTypes: WrongTypes = {
  alg: ['"none"', '7', 'null', '[@]'],
  typ: ['7', 'null', '[@]', '{}'],
};
/** Where a key is named by its id. */
export const kidTypes: WrongTypes = { kid: ['7', 'null', '[@]', '{}', '""'] };
/** NumericDates (RFC 7519 §2): numbers, and finite ones. */
export const dateTypes: readonly string[] = ['"@"', 'null', '{}', '[@]', 'true', '1e400', '-1e400'];
