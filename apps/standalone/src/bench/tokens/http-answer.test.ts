import { expect, test } from 'vitest';
import { readAnswer } from './http-answer.ts';

const answers = [
  ['by its length', 'HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 7\r\n\r\n{"a":1}', { status: 200, body: '{"a":1}' }],
  ['without a body', 'HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n', { status: 503, body: '' }],
  [
    'by its chunks',
    'HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\nb\r\n":"b\\r\\nc"}\r\n0\r\n\r\n',
    { status: 400, body: '{"a":"b\\r\\nc"}' },
  ],
] as const;

test.each(answers)('an answer is read %s, and not before it is whole', (_, text, expected) => {
  for (let length = 0; length < text.length; length++) expect(readAnswer(text.slice(0, length))).toBeUndefined();
  expect(readAnswer(text)).toEqual(expected);
});

test('an answer that ends with its connection is no answer on one that is kept alive', () => {
  expect(() => readAnswer('HTTP/1.1 200 OK\r\n\r\nbody')).toThrow('without a length');
});
