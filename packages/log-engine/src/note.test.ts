import { createPrivateKey, sign } from 'node:crypto';
import { base64url, concatBytes, utf8 } from '@mono-auth/core/encoding';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as checkpoints from './checkpoint.ts';
import * as note from './note.ts';

// The keys and the note of Go's golang.org/x/mod/sumdb/note, the reference implementation.
const peter = note.parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
const peterSeed = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1);
const enoch = note.parseVerifierKey('EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop');
const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const signature =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
const goNote = `${text}\n${signature}`;

const x = base64url(peter.publicKey);
const peterKey = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', x, d: base64url(peterSeed) }, format: 'jwk' });
const signer: note.NoteSigner = {
  name: 'PeterNeumann',
  publicKey: peter.publicKey,
  sign: (message) => sign(null, message, peterKey),
};

describe('signed notes', () => {
  test('a note is signed byte for byte as by the reference implementation', async () => {
    expect(await note.signNote(text, signer)).toBe(goNote);
  });

  test('a verifier key survives its text form', () => {
    expect(note.formatVerifierKey(peter)).toBe('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    expect(() => note.parseVerifierKey('PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')).toThrow(
      'key id',
    );
    expect(() => note.parseVerifierKey('Peter')).toThrow('invalid_request');
  });

  test('a note is opened by a trusted key only', () => {
    expect(note.verifyNote(goNote, [enoch, peter])).toMatchObject({ note: { text }, signedBy: [peter] });
    expect(() => note.verifyNote(goNote, [enoch])).toThrow('no signature by a trusted key');
    expect(() => note.verifyNote(goNote, [])).toThrow('no signature by a trusted key');
  });

  test('signatures by unknown keys are ignored, a false one by a trusted key is not', () => {
    const parsed = note.parseNote(goNote);
    const stranger = { name: 'stranger', keyId: '00000000', signature: new Uint8Array(64) };
    const forged = { name: enoch.name, keyId: enoch.keyId, signature: new Uint8Array(64) };
    const withStranger = note.formatNote({ text, signatures: [stranger, ...parsed.signatures] });
    expect(note.verifyNote(withStranger, [peter]).signedBy).toEqual([peter]);
    const withForged = note.formatNote({ text, signatures: [...parsed.signatures, forged] });
    expect(() => note.verifyNote(withForged, [peter, enoch])).toThrow('false signature of EnochRoot');
  });

  test('a note with any one bit changed is not opened', () => {
    const bytes = utf8(goNote);
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Uint8Array.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(() => note.verifyNote(new TextDecoder().decode(changed), [peter])).toThrow('verification_failed');
      }),
      { numRuns: 400 },
    );
  });

  test.each([
    ['no blank line', `${text}${signature}`],
    ['no signature', `${text}\n`],
    ['no last newline', goNote.slice(0, -1)],
    ['a control character', goNote.replace('you', 'y\tou')],
    ['a hyphen for the dash', goNote.replace('—', '-')],
    ['two spaces', goNote.replace('PeterNeumann ', 'PeterNeumann  ')],
    ['base64 that is not canonical', goNote.replace('nAM=', 'nAN=')],
    ['carriage returns', goNote.replaceAll('\n', '\r\n')],
    ['nothing at all', ''],
  ])('a note with %s is refused', (_what, source) => {
    expect(() => note.verifyNote(source, [peter])).toThrow('verification_failed');
  });

  test('what cannot be a note is not signed', async () => {
    await expect(note.signNote('no end', signer)).rejects.toThrow('invalid_request');
    await expect(note.signNote('a\u0000b\n', signer)).rejects.toThrow('invalid_request');
    await expect(note.signNote('text\n', { ...signer, name: 'two words' })).rejects.toThrow('key name');
  });
});

describe('checkpoints', () => {
  const root = concatBytes(new Uint8Array(31), Uint8Array.of(9));
  const example = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';

  test('the example of C2SP tlog-checkpoint is read and written', () => {
    const checkpoint = checkpoints.parseCheckpoint(example);
    expect(checkpoint).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20852163, extensions: [] });
    expect(checkpoints.checkpointText(checkpoint)).toBe(example);
  });

  test('tenant and incarnation are carried in extension lines', () => {
    const identity = { tenantId: 'ten_01arz3ndektsv4rrffq69g5fav', incarnation: 3 } as checkpoints.LogIdentity;
    const extensions = checkpoints.logExtensions(identity);
    const written = checkpoints.checkpointText({ origin: 'a.test/t/acme', size: 0, root, extensions });
    expect(written.split('\n').slice(3)).toEqual(['tenant ten_01arz3ndektsv4rrffq69g5fav', 'incarnation 3', '']);
    expect(checkpoints.logIdentity(checkpoints.parseCheckpoint(written))).toEqual(identity);
    expect(() => checkpoints.logIdentity(checkpoints.parseCheckpoint(example))).toThrow('verification_failed');
  });

  test.each([
    ['a size with a leading zero', example.replace('208', '0208')],
    ['a negative size', example.replace('208', '-208')],
    ['a size beyond exact numbers', example.replace('20852163', '9007199254740993')],
    ['a short root', example.replace('CsUY', '')],
    ['an empty extension', `${example}\n`],
    ['no last newline', example.slice(0, -1)],
    ['no origin', example.slice(example.indexOf('\n'))],
  ])('a checkpoint with %s is refused', (_what, source) => {
    expect(() => checkpoints.parseCheckpoint(source)).toThrow('verification_failed');
  });

  test('a line break cannot be smuggled into a checkpoint', () => {
    expect(() => checkpoints.checkpointText({ origin: 'a\n5', size: 1, root })).toThrow('invalid_request');
    expect(() => checkpoints.checkpointText({ origin: 'a', size: 1, root, extensions: [''] })).toThrow(
      'invalid_request',
    );
  });
});
