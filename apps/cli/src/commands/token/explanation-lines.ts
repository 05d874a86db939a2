import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  type Ancestor,
  type Ending,
  type ExplainResponse,
  type Grant,
  type Handle,
  Role,
  TokenState,
} from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { wordOf } from '../../output.ts';

/** The longest label. */
const width = 'made from'.length;
const line = (label: string, ...words: (string | undefined)[]) =>
  `${label.padEnd(width)}  ${words.filter((word) => word !== undefined && word !== '').join(' ')}`;
/** A line that is left out where there is nothing to say. */
const lineOf = (label: string, value: string, ...more: (string | undefined)[]) =>
  value === '' ? [] : [line(label, value, ...more)];

/** The explanation in words: how it stands, who acts for whom, where it comes from, what has ended it and what would. */
export function explanationLines(found: ExplainResponse, nowMs: number): string[] {
  const { decision, key, evidence } = found;
  const policies = decision && decision.policies.length > 0 ? `by ${decision.policies.join(', ')}` : '';
  return [
    line('token', found.jti),
    line('state', wordOf(TokenState, found.state, 'TOKEN_STATE_'), found.jkt && 'bound to a key'),
    line('chain', chainOf(found)),
    ...lineOf('client', found.clientId),
    ...lineOf('host', found.hostId),
    ...lineOf('session', found.sessionId),
    line('issuer', found.issuer),
    line('audience', ...found.audience),
    line('scope', found.scope),
    line('issued', timeOf(found.issuedAt), evidence && `to ${evidence.requestedBy} (${evidence.eventId})`),
    line('expires', timeOf(found.expiresAt), awayOf(found.expiresAt, nowMs)),
    ...(decision ? [line('decision', decision.decisionId, `policy version ${decision.policyVersion}`, policies)] : []),
    ...(key ? [line('key', key.kid, key.alg, key.state)] : []),
    ...found.grants.map(grantLine),
    ...found.ancestors.map(ancestorLine),
    ...found.endings.map(endingLine),
    ...found.handles.map(handleLine),
    ...lineOf('untold', found.untold.join(' '), '(older evidence does not say)'),
  ];
}

/** RFC 8693 §4.1: the outermost actor acts now, those within acted before. */
function chainOf({ subject, actors: [current, ...earlier] }: ExplainResponse): string {
  if (current === undefined) return `${subject} acts alone`;
  const through = earlier.length > 0 ? `, through ${earlier.join(', ')}` : '';
  return `${current} acts for ${subject}${through}`;
}

function grantLine({ grantId, clientId, expiresAt, endedAt }: Grant): string {
  if (clientId === '') return line('grant', grantId, 'not known any more');
  return line('grant', grantId, `to ${clientId}`, endedAt ? `ended ${timeOf(endedAt)}` : `until ${timeOf(expiresAt)}`);
}

function ancestorLine({ jti, known, subject, actors, endedBy }: Ancestor): string {
  const who = known ? [subject, ...actors].join(' < ') : undefined;
  return line('made from', jti, who, endedBy > 0n ? `ended by entry ${endedBy}` : undefined);
}

function endingLine({ seq, why, id, at, revocationId, revokedBy, reason }: Ending): string {
  return line(
    'ended by',
    ...[`entry ${seq}:`, why, id, timeOf(at), revocationId],
    ...[revokedBy && `by ${revokedBy}`, reason && `(${reason})`],
  );
}

function handleLine({ role, handle, endedBy }: Handle): string {
  const target = handle.case === 'target' ? handle.value.target : undefined;
  const id = handle.case === 'kid' ? handle.value : String(target?.case === 'tenant' ? '' : (target?.value ?? ''));
  return line('dies with', wordOf(Role, role, 'ROLE_'), id, endedBy > 0n ? `ended by entry ${endedBy}` : undefined);
}

function timeOf(at: Timestamp | undefined): string {
  return at ? new Date(timestampMs(at)).toISOString() : '';
}

function awayOf(at: Timestamp | undefined, nowMs: number): string {
  if (!at) return '';
  const seconds = Math.round((timestampMs(at) - nowMs) / 1000);
  return seconds < 0 ? `(${-seconds} s ago)` : `(in ${seconds} s)`;
}
