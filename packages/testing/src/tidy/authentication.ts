import { moduleOf } from './modules.ts';
import { type Literal, type Scan, scanOf } from './scan.ts';
import { isCode, isTest, lineAt, type Rule, type SourceFile, type Violation } from './source.ts';

interface Subject {
  readonly name: string;
  readonly modules: RegExp;
  /** Matched against each word of the code. */
  readonly words: RegExp;
  /** Matched against each string and template. */
  readonly strings: RegExp;
}

/** The line between the two halves of the system: commodity authentication belongs to Better Auth, in packages/identity. */
const subjects: readonly Subject[] = [
  {
    name: 'password hashing',
    modules: /argon2|bcrypt|scrypt|pbkdf2|^better-auth\/crypto$/i,
    words: /argon2|bcrypt|scrypt|pbkdf2|^(?:hash|verify|compare)Password$/i,
    strings: /^(?:argon2(?:id|i|d)?|bcrypt|scrypt|pbkdf2)$/i,
  },
  {
    name: 'session cookies',
    modules: /^(?:hono\/cookie|cookie|cookie-signature|tough-cookie|better-auth\/cookies)$/,
    words: /^(?:set|setSigned|delete|generate|generateSigned)Cookie$/,
    strings: /^set-cookie$|__Host-mono\b|better-auth\.session/i,
  },
  {
    name: 'TOTP',
    modules: /otplib|otpauth|speakeasy|totp|two-factor/i,
    words: /totp|^twoFactor$/i,
    strings: /^otpauth:/,
  },
  {
    name: 'WebAuthn',
    modules: /^@simplewebauthn\/|webauthn|passkey|fido2/i,
    words: /webauthn|^PublicKeyCredential$|^verify(?:Registration|Authentication)Response$/i,
    strings: /^webauthn\.(?:create|get)$/,
  },
  {
    name: 'SAML',
    modules: /saml|^xml-crypto$/i,
    words: /saml/i,
    strings: /^SAML(?:Request|Response)$|:tc:SAML:/,
  },
  {
    name: 'the authorization code grant',
    modules: /^(?:arctic|openid-client|simple-oauth2)$/,
    words: /^(?:code_?verifier|code_?challenge|authorization_?code)$/i,
    strings: /\bcode_verifier\b|\bcode_challenge\b|\bauthorization_code\b/,
  },
];

interface Exception {
  readonly subject: string;
  readonly path: RegExp;
  /** The only text that is let through. */
  readonly text: RegExp;
  readonly reason: string;
}

const exceptions: readonly Exception[] = [
  {
    subject: 'session cookies',
    path: /^apps\/gateway\/src\/[^/]*headers[^/]*\.ts$/,
    text: /^set-cookie$/i,
    reason: 'the list of headers that the gateway drops from upstream answers',
  },
  {
    subject: 'the authorization code grant',
    path: /^packages\/clients\/src\/(?:registration|metadata-documents)\/[a-z-]+\.ts$/,
    text: /authorization_?code/i,
    reason: 'the grant types that a client registers are data',
  },
  {
    subject: 'the authorization code grant',
    path: /^(?:packages|apps)\/[^/]+\/src\/(?:[^/]+\/)*(?:[a-z-]*metadata|[a-z-]*discovery)\.ts$/,
    text: /^authorization_code$/,
    reason: 'RFC 8414 metadata names the grant types of the issuer',
  },
  {
    subject: 'the authorization code grant',
    path: /^packages\/tokens\/src\/(?:people|person-bench|push-authorization|grants\/(?:authorization-code|dispatch-grant|grant))\.ts$/,
    text: /code/i,
    reason:
      'Better Auth makes the code; it is redeemed here, in one transaction with the grant, the tokens and their evidence',
  },
  {
    subject: 'the authorization code grant',
    path: /^packages\/clients\/src\/(?:client|grant-types|manifest|read-manifest)\.ts$/,
    text: /authorization_?code/i,
    reason: 'the grant types of a client are data',
  },
  {
    subject: 'the authorization code grant',
    path: /^apps\/standalone\/src\/(?:acceptance\/oauth\/|crash\/steps-grants\.ts$)/,
    text: /code/i,
    reason: 'what tests send as clients do, at the endpoints from outside',
  },
];

/** Files that hold the line themselves, or stand in for a browser. */
function isOutside(path: string): boolean {
  return isTest(path) || !/^(?:packages|apps)\//.test(path) || /^packages\/(?:identity|testing)\//.test(path);
}

/** Nobody but identity touches the means by which people prove themselves. */
export const authentication: Rule = (files) =>
  files
    .filter(({ path }) => isCode(path) && !isOutside(path))
    .flatMap((file) => subjects.flatMap((s) => touches(file, s)));

function touches(file: SourceFile, subject: Subject): Violation[] {
  const scan = scanOf(file);
  const found = [
    ...moduleOf(file)
      .references.filter(({ specifier }) => subject.modules.test(specifier))
      .map(({ specifier, line }) => ({ text: specifier, line })),
    ...scan.tokens
      .filter(({ kind, text }) => kind === 'word' && subject.words.test(text))
      .map(({ text, line }) => ({ text, line })),
    ...scan.literals
      .filter((literal) => subject.strings.test(literal.value) && !onlyReads(scan, literal))
      .map(({ value, line }) => ({ text: value, line })),
    ...(subject.name === 'password hashing'
      ? [...scan.code.matchAll(/\bBun\s*\.\s*password\b/g)].map(({ 0: text, index }) => ({
          text,
          line: lineAt(file.text, index),
        }))
      : []),
  ];
  return found
    .filter(({ text }) => !excepted(file.path, subject, text))
    .map(({ text, line }) => ({
      path: file.path,
      line,
      rule: 'authentication',
      message: `${brief(text)} touches ${subject.name}: that is Better Auth's, ask @mono-auth/identity`,
    }));
}

function excepted(path: string, subject: Subject, text: string): boolean {
  return exceptions.some((e) => e.subject === subject.name && e.path.test(path) && e.text.test(text));
}

/** `headers.get('set-cookie')`, `.has(…)`, `.delete(…)`: reads or removes a header, writes none. */
function onlyReads(scan: Scan, literal: Literal): boolean {
  const [dot, verb, open] = scan.tokens.slice(Math.max(literal.index - 3, 0), literal.index);
  if (dot?.text !== '.' || open?.text !== '(') return false;
  return /^set-cookie$/i.test(literal.value) && ['get', 'has', 'delete'].includes(verb?.text ?? '');
}

function brief(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
