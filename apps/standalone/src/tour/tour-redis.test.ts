import { faultsOf, needRedis, openTestDatabase, readRedis, startTestRedis, testKek } from '@mono-auth/testing';
import { expect, test } from 'vitest';
import { openInstallation, ownerEmail, ownerPassword, type Tamper } from '../acceptance/installation.ts';
import { keepSealing } from '../acceptance/keep-sealing.ts';
import { story, tellStory } from './tell-story.ts';

/** Tells the story on an installation of its own and answers the kinds of evidence, without ids, times and numbers. */
async function evidence(redisUrl: string | undefined, tamper?: Tamper): Promise<string[]> {
  const db = await openTestDatabase();
  const installation = await openInstallation(db.database, testKek, { redisUrl, ...(tamper && { tamper }) });
  const endSealing = keepSealing(installation.controlPlane);
  try {
    const told: string[] = [];
    const operator = { email: ownerEmail, password: ownerPassword };
    const scene = { baseUrl: installation.baseUrl, operator, telling: 'with-or-without', made: {} };
    expect(await tellStory(scene, (line) => told.push(line)), told.join('\n')).toBe(true);
    // What a flipped bit breaks depends on where it lands.
    const lines = told.filter((line) => !line.includes('flipped:'));
    return lines.map((line) =>
      line.replaceAll(/\b[a-z]{3}_[0-9a-z]{26}\b/g, 'ID').replaceAll(/[0-9][0-9a-f.:]*/g, 'N'),
    );
  } finally {
    await endSealing();
    await installation.close();
    await db.close();
  }
}

test('the story gives the same evidence with Redis and without, and leaves no raw key or credential there', async (context) => {
  const redis = needRedis(context, await startTestRedis());
  try {
    const without = await evidence(undefined);
    expect(await evidence(redis.url)).toEqual(without);
    expect(without.length).toBeGreaterThan(story.length * 2);
    expect(faultsOf(await readRedis(redis))).toEqual([]);
  } finally {
    await redis.close();
  }
});

test('the story gives the same evidence while Redis is killed, comes back, is emptied and goes again', async (context) => {
  const redis = needRedis(context, await startTestRedis());
  const faults = new Map<string, () => Promise<unknown>>([
    ['FeedService/Register', () => redis.kill()],
    ['MachineService/RedeemInvite', () => redis.start()],
    ['MachineService/CreateAgent', () => redis.command('flushall')],
    ['/oauth2/token', () => redis.command('flushall')],
    ['RevocationService/Revoke', () => redis.kill()],
  ]);
  const tamper: Tamper = async (request, answer) => {
    const path = new URL(request.url).pathname;
    const end = [...faults.keys()].find((known) => path.endsWith(known));
    const fault = end === undefined ? undefined : faults.get(end);
    if (end !== undefined) faults.delete(end);
    // While the request is under way, not before it.
    const [response] = await Promise.all([answer(), fault?.()]);
    return response;
  };
  try {
    expect(await evidence(redis.url, tamper)).toEqual(await evidence(undefined));
    expect([...faults.keys()]).toEqual([]);
  } finally {
    await redis.close();
  }
});
