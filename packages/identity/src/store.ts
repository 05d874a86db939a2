import { idFromUuid, type SessionId, type UserId, uuidOf } from '@mono-auth/core/ids';
import type { IdentityPool } from '@mono-auth/database';

type Client = Awaited<ReturnType<IdentityPool['connect']>>;

/** Runs one statement on a connection that is bound to the pool's tenant. */
export async function withClient<T>(pool: IdentityPool, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    return await work(client);
  } finally {
    client.release();
  }
}

/** A person as applications may come to know them. */
export interface Person {
  readonly name: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly picture: string | undefined;
  readonly updatedAtMs: number;
}

/** A person as applications may come to know them. */
export interface Person {
  readonly name: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly picture: string | undefined;
  readonly updatedAtMs: number;
}

export interface StoredSession {
  readonly userId: UserId;
  readonly email: string;
  readonly name: string;
  readonly banned: boolean;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly epoch: number;
  readonly feedSeq: number;
}

export async function selectSession(pool: IdentityPool, id: SessionId): Promise<StoredSession | undefined> {
  const { rows } = await withClient(pool, (client) =>
    client.query<{
      userId: string;
      email: string;
      name: string;
      banned: boolean;
      createdAt: Date;
      expiresAt: Date;
      epoch: string;
      feedSeq: string;
    }>(
      `select s."userId", u."email", u."name", u."banned", s."createdAt", s."expiresAt", s."epoch", s."feedSeq"
       from identity."session" s join identity."user" u on u."id" = s."userId" where s."id" = $1`,
      [uuidOf(id)],
    ),
  );
  const [row] = rows;
  return (
    row && {
      userId: idFromUuid('usr', row.userId),
      email: row.email,
      name: row.name,
      banned: row.banned,
      createdAtMs: row.createdAt.getTime(),
      expiresAtMs: row.expiresAt.getTime(),
      epoch: Number(row.epoch),
      feedSeq: Number(row.feedSeq),
    }
  );
}

/** The session behind a session token as the cookie carries it (its signature verified by the caller). */
export async function selectSessionId(pool: IdentityPool, token: string): Promise<SessionId | undefined> {
  const { rows } = await withClient(pool, (client) =>
    client.query<{ id: string }>('select "id" from identity."session" where "token" = $1', [token]),
  );
  return rows[0] && idFromUuid('ses', rows[0].id);
}

export async function deleteSession(pool: IdentityPool, id: SessionId): Promise<void> {
  await withClient(pool, (client) => client.query('delete from identity."session" where "id" = $1', [uuidOf(id)]));
}

export async function deleteUserSessions(pool: IdentityPool, userId: UserId): Promise<void> {
  await withClient(pool, (client) =>
    client.query('delete from identity."session" where "userId" = $1', [uuidOf(userId)]),
  );
}

/** Whether the person is here and not banned. */
export async function isUserActive(pool: IdentityPool, id: UserId): Promise<boolean> {
  const { rows } = await withClient(pool, (client) =>
    client.query<{ banned: boolean }>('select "banned" from identity."user" where "id" = $1', [uuidOf(id)]),
  );
  return rows[0]?.banned === false;
}

/** Sessions that could still be used: in time, and of no earlier epoch; of everybody, or of one user. */
export async function countSessions(
  pool: IdentityPool,
  nowMs: number,
  epoch: number,
  userId?: UserId,
): Promise<number> {
  const { rows } = await withClient(pool, (client) =>
    client.query<{ count: string }>(
      `select count(*) as count from identity."session"
       where "expiresAt" > $1 and "epoch" >= $2 and ($3::uuid is null or "userId" = $3)`,
      [new Date(nowMs), epoch, userId ? uuidOf(userId) : null],
    ),
  );
  return Number(rows[0]?.count ?? 0);
}

/** What a person has said about themselves; undefined for nobody, and for who may sign in no more. */
export async function selectPerson(pool: IdentityPool, id: UserId): Promise<Person | undefined> {
  const { rows } = await withClient(pool, (client) =>
    client.query<{ name: string; email: string; emailVerified: boolean; image: string | null; updatedAt: Date }>(
      `select "name", "email", "emailVerified", "image", "updatedAt" from identity."user"
       where "id" = $1 and not "banned"`,
      [uuidOf(id)],
    ),
  );
  const [row] = rows;
  if (!row) return undefined;
  const { name, email, emailVerified, image, updatedAt } = row;
  return { name, email, emailVerified, picture: image ?? undefined, updatedAtMs: updatedAt.getTime() };
}

export async function selectUserId(pool: IdentityPool, email: string): Promise<UserId | undefined> {
  const { rows } = await withClient(pool, (client) =>
    client.query<{ id: string }>('select "id" from identity."user" where "email" = $1', [email.toLowerCase()]),
  );
  return rows[0] && idFromUuid('usr', rows[0].id);
}
