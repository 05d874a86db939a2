import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { type Reason, refusals } from '@mono-auth/core/errors';
import { postRpc } from '../../plain-client.ts';
import type { Ask } from './ask.ts';
import { type ExchangeRow, type Exchanger, httpRow } from './exchange-row.ts';

const method = 'monoauth.tokens.v1.TokenService/Exchange';
/** What a message knows by another name or in another form than the parameter of the endpoint. */
const repeated = new Set(['resource', 'audience']);

/** The message that stands for a form; undefined where none does: another grant, a parameter twice, what is no field. */
function messageOf({ form }: Ask): JsonObject | undefined {
  if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:token-exchange') return undefined;
  const message: Record<string, JsonValue> = {};
  for (const name of new Set(form.keys())) {
    const values = form.getAll(name);
    const field = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (name === 'grant_type') continue;
    if (name === 'impersonate' && values[0] !== 'true') return undefined;
    if (values.length > 1 && !repeated.has(name)) return undefined;
    if (name === 'impersonate') message[field] = true;
    else message[field] = repeated.has(name) ? values : (values[0] as string);
  }
  return message;
}

async function call(
  ask: Ask,
  message: JsonObject,
): Promise<{ status: number; error: string | undefined; text: string }> {
  const authorization = ask.headers.get('authorization');
  const { status, body } = await postRpc(
    ask.issuer,
    method,
    message,
    undefined,
    authorization ? { authorization } : {},
  );
  const [detail] = (body.details ?? []) as { debug?: { reason?: Reason } }[];
  const reason = detail?.debug?.reason;
  return { status, error: reason && refusals[reason].oauth, text: JSON.stringify(body) };
}

/**
 * The rows of the endpoint once more, as messages: each that a message can say is refused for the same reason, and the right
 * one is granted after it.
 * @returns what did not hold, and how many were asked.
 */
export async function breakEachOverRpc(
  rows: readonly ExchangeRow[],
  by: Exchanger,
  right: () => Promise<Ask>,
): Promise<{ readonly faults: string[]; readonly asked: number }> {
  const faults: string[] = [];
  let asked = 0;
  for (const row of rows) {
    const request = await right();
    const bent = { ...request, form: new URLSearchParams(request.form), headers: new Headers(request.headers) };
    await httpRow(row, by).bend(bent);
    const [broken, good] = [messageOf(bent), messageOf(request)];
    if (!broken || !good) continue;
    asked += 1;
    const refused = await call(bent, broken);
    if (refused.status === 200 || refused.error !== row.error || refused.text.includes('accessToken')) {
      faults.push(`${row.section}, ${row.name}: ${refused.status} ${refused.text}, not ${row.error}`);
    }
    const granted = await call(request, good);
    if (granted.status !== 200)
      faults.push(`${row.section}, ${row.name}: afterwards ${granted.status} ${granted.text}`);
  }
  return { faults, asked };
}
