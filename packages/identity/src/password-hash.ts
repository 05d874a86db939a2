/** OWASP's first choice for Argon2id: 19 MiB, two passes. The hash is in PHC form and says its own parameters. */
const argon2id = { algorithm: 'argon2id', memoryCost: 19 * 1024, timeCost: 2 } as const;

/** NIST SP 800-63B-4 §3.1.1.2 asks for 15 where a password stands alone and 8 beside a second factor; a tenant may raise it. */
export const passwordCharsMin = 12;
/** Longer ones would only let a caller choose how much we hash. */
export const passwordCharsMax = 128;

export const passwordHash = {
  hash: (password: string): Promise<string> => Bun.password.hash(password, argon2id),
  verify: ({ hash, password }: { hash: string; password: string }): Promise<boolean> =>
    Bun.password.verify(password, hash),
};
