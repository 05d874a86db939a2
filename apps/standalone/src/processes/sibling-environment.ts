/** Set by the first process for the others, whose number it is, from 2 on. No setting of anybody's. */
export const siblingVariable = 'MONO_SIBLING';

interface Place {
  readonly number: number;
  readonly listen: string;
  readonly grpcListen: string;
  readonly baseUrl: string;
  readonly adminUrl: string;
  readonly kekFile: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of another process of this installation: what we were given, and where we have come to stand. */
export function siblingEnvironment(env: Environment, place: Place): Record<string, string | undefined> {
  return {
    ...env,
    [siblingVariable]: String(place.number),
    MONO_LISTEN: place.listen,
    MONO_GRPC_LISTEN: place.grpcListen,
    MONO_BASE_URL: place.baseUrl,
    MONO_DATABASE_URL: place.adminUrl,
    // A key that we were given comes with the rest.
    ...(!env.MONO_KEK && !env.MONO_KEK_FILE && { MONO_KEK_FILE: place.kekFile }),
    // Its stdin ends with us, whatever ends us.
    MONO_LAUNCHER: '1',
  };
}
