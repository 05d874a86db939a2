/** What a scope value means to a person. */
const words: Readonly<Record<string, string>> = {
  openid: 'Know that it is you',
  profile: 'See your name',
  email: 'See your e-mail address',
  offline_access: 'Keep its access while you are not there, until you take it back',
};

/** Values of a resource are its own words: they are shown as they are. */
export function scopeInWords(scope: string): string {
  return words[scope] ?? `Use “${scope}”`;
}

export function durationInWords(scopes: readonly string[]): string {
  return scopes.includes('offline_access')
    ? 'Until you take it back on your account page'
    : 'Until you sign out, and not longer than seven days';
}
