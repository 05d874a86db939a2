import { Hono } from 'hono';

export interface Health {
  /** Why the process must not get traffic; empty when it may. */
  failures(): Promise<string[]>;
}

/** Health on a listener of its own. Alive says the process answers; ready says it may be trusted with requests. */
export function createAdmin(health: Health): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', async (c) => {
    const failures = await health.failures();
    return failures.length === 0 ? c.text('ready\n') : c.text(`${failures.join('\n')}\n`, 503);
  });
  return app;
}
