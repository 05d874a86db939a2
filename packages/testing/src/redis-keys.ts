import type { TestRedis } from './redis-server.ts';

/** Everything in the store, one line for each key with all that it holds; hex, so that no content can break a line. */
const dumpScript = `
local function hex(value)
  if type(value) == 'table' then
    local parts = {}
    for i, part in ipairs(value) do parts[i] = hex(part) end
    return table.concat(parts, '0a')
  end
  return (tostring(value):gsub('.', function(c) return string.format('%02x', string.byte(c)) end))
end
local read = {
  string = { 'GET' }, hash = { 'HGETALL' }, set = { 'SMEMBERS' }, list = { 'LRANGE', 0, -1 },
  zset = { 'ZRANGE', 0, -1 }, stream = { 'XRANGE', '-', '+' },
}
local lines = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local command = read[redis.call('TYPE', key).ok]
  local value = redis.call(command[1], key, unpack(command, 2))
  table.insert(lines, redis.call('PTTL', key) .. ' ' .. hex(key) .. ' ' .. hex(value))
end
return lines`;

export interface RedisEntry {
  readonly key: string;
  readonly value: string;
  /** -1 for a key that never ends. */
  readonly ttlMs: number;
}

/** Every key of the store with what it holds, as its administrator sees them. */
export async function readRedis(redis: Pick<TestRedis, 'command'>): Promise<RedisEntry[]> {
  const text = await redis.command('eval', dumpScript, '0');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [ttlMs, key = '', value = ''] = line.split(' ');
      return { key: fromHex(key), value: fromHex(value), ttlMs: Number(ttlMs) };
    });
}

function fromHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString('utf8');
}

/** Takes `ms` off the life of every key, as if so much time had passed: the server's clock is not ours to set. */
export async function ageRedis(redis: Pick<TestRedis, 'command'>, ms: number): Promise<void> {
  const script = `
    for _, key in ipairs(redis.call('KEYS', '*')) do
      local left = redis.call('PTTL', key)
      if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
    end`;
  await redis.command('eval', script, '0', String(ms));
}

/** `<kind>:{<tenant>}:<full SHA-256>`: the braces make all of a tenant's keys live on one node of a cluster. */
const entryKey = /^[a-z][a-z0-9_]{0,31}:\{(?:ten_[0-9a-hjkmnp-tv-z]{26}|platform)\}:[0-9a-f]{64}$/;
/** BullMQ's own keys, and what stands in them has no end of its own. */
const queueKey = /^queue:\{platform\}:[a-z0-9-]+:[A-Za-z0-9:_-]*$/;
/** A JWS or JWE, a key in PEM, a private JWK, a cookie or an Authorization header, and what our forms call a secret. */
const credential =
  /eyJ[A-Za-z0-9_-]{8,}\.|-----BEGIN|"d":"|(?:bearer|basic|dpop) [A-Za-z0-9._~+/=-]{8,}|password|__host-/i;

/** What is in the store and may not be: keys of another form, keys without an end, raw credentials. */
export function faultsOf(entries: readonly RedisEntry[]): string[] {
  return entries.flatMap(({ key, value, ttlMs }) => {
    const faults: string[] = [];
    const queue = queueKey.test(key);
    if (!queue && !entryKey.test(key)) faults.push(`${key} is no <kind>:{<tenant>}:<full digest>`);
    if (!queue && ttlMs < 0) faults.push(`${key} never ends`);
    if (credential.test(key) || credential.test(value)) faults.push(`${key} holds a raw credential`);
    return faults;
  });
}
