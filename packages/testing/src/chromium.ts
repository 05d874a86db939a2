import { existsSync } from 'node:fs';
import { chromium, type Page } from 'playwright-core';
import type { TestContext } from 'vitest';

/** Headless, as root in a container as well, and silent: it asks nobody but the server under test. */
const launchArgs = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const executablePath = [process.env.MONO_CHROMIUM, Bun.which('chromium'), '/usr/bin/chromium'].find(
  (path) => path && existsSync(path),
);

export type { Page };

export interface Visit {
  readonly page: Page;
  /** What the browser itself complained of: above all, violations of the page's own policy. */
  readonly complaints: readonly string[];
}

export interface Chromium {
  /** A new browser profile with JavaScript switched off: the hosted pages have to work without. Skips where there is no Chromium. */
  visit(context: TestContext): Promise<Visit>;
  close(): Promise<void>;
}

export async function openChromium(): Promise<Chromium> {
  const browser = executablePath && (await chromium.launch({ executablePath, args: launchArgs }));
  return {
    async visit(context) {
      if (!browser) {
        const reason = 'no Chromium: install chromium or name one by MONO_CHROMIUM';
        if (process.env.CI === 'true') throw new Error(reason);
        process.stdout.write(`browser tests are skipped: ${reason}\n`);
        return context.skip(reason);
      }
      const profile = await browser.newContext({ javaScriptEnabled: false });
      const page = await profile.newPage();
      const complaints: string[] = [];
      page.on('console', (message) => complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      return { page, complaints };
    },
    async close() {
      if (browser) await browser.close();
    },
  };
}

/** Fills in the sign-in form and sends it. */
export async function submitSignIn(page: Page, email: string, password: string): Promise<void> {
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(password);
  await pressButton(page, 'Sign in');
}

/** Presses a button and waits for the page that it leads to. */
export async function pressButton(page: Page, name: string): Promise<void> {
  const loaded = page.waitForEvent('load');
  await page.getByRole('button', { name }).click();
  await loaded;
}
