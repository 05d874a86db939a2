/** RFC 6749 §5.1: what holds a credential is stored nowhere. */
export const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' };
