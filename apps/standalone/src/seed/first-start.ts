import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, type ControlPlane } from '@mono-auth/control-plane';
import { base64url } from '@mono-auth/core/encoding';
import type { Runtime } from '@mono-auth/core/runtime';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import { keepSecret } from '../data-directory.ts';

/** The example tenant of an empty installation. */
const exampleSlug = 'acme';
const signInPath = `/t/${exampleSlug}/sign-in`;
/** Random bytes of a generated password: 144 bits, 24 characters. */
const passwordBytes = 18;

export interface FirstOperator {
  readonly email: string;
  readonly password: string;
  /** Where to sign in first. */
  readonly signInPath: string;
}

/** Where a generated password is kept, readable by this user alone, for the tour and for whoever lost the first line. */
export function operatorFile(directory: string): string {
  return join(directory, 'operator.json');
}

/**
 * On an installation without its platform: makes the platform tenant and the example tenant, both owned by the first
 * operator. Every part is resumed when an earlier start was cut off.
 * @returns the operator when something was made.
 * @throws ConfigError when an earlier start has begun with another operator.
 */
export async function seedFirstStart(
  deps: { controlPlane: ControlPlane; runtime: Runtime; directory: string; signal: AbortSignal },
  chosen: { email: string; password: string | undefined },
): Promise<FirstOperator | undefined> {
  const { controlPlane } = deps;
  const done = await Promise.all([platformSlug, exampleSlug].map((slug) => controlPlane.tenants.bySlug(slug)));
  if (done.every((tenant) => tenant?.status === 'active')) return undefined;
  const operator = operatorOf(deps, chosen);
  for (const [slug, displayName] of [
    [platformSlug, 'Mono-Auth Platform'],
    [exampleSlug, 'Acme'],
  ] as const) {
    deps.signal.throwIfAborted();
    await controlPlane.provision({
      slug,
      displayName,
      ownerEmail: operator.email,
      ownerPassword: operator.password,
      idempotencyKey: `first-start-${slug}`,
    });
  }
  return operator;
}

/** The chosen operator, or a generated one: kept before it is used, so that a start that is cut off finds it again. */
function operatorOf(
  deps: { runtime: Runtime; directory: string },
  chosen: { email: string; password: string | undefined },
): FirstOperator {
  const path = operatorFile(deps.directory);
  const { email, password } = chosen;
  if (!password) {
    const generated = { email, password: base64url(deps.runtime.randomBytes(passwordBytes)), signInPath };
    return JSON.parse(keepSecret(path, JSON.stringify(generated))) as FirstOperator;
  }
  if (existsSync(path)) {
    throw new ConfigError(
      `MONO_BOOTSTRAP_PASSWORD: is set, and an interrupted first start has kept another in ${path}; allowed: unset, to go on with that one`,
    );
  }
  return { email, password, signInPath };
}
