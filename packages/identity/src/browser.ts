import type { Scene } from './identity-scene.ts';

export interface Browser {
  readonly jar: Map<string, string>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** Submits a form, or JSON when `body` is an object. */
  post(path: string, body: string | object, headers?: Record<string, string>): Promise<Response>;
}

/** A browser as far as these tests need one: keeps cookies, names the origin of what it posts. */
export function openBrowser(scene: Scene, origin: string): Browser {
  const jar = new Map<string, string>();
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (jar.size > 0 && !headers.has('cookie')) {
      headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '));
    }
    const response = await scene.fetch(path, { ...init, headers });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';', 1);
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      if (/max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  };
  return {
    jar,
    get: (path, headers = {}) => send(path, { headers }),
    post: (path, body, headers = {}) => {
      const type = typeof body === 'string' ? 'application/x-www-form-urlencoded' : 'application/json';
      return send(path, {
        method: 'POST',
        headers: { 'content-type': type, origin, ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
    },
  };
}
