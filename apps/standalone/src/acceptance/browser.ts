import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
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

export interface Visit {
  readonly page: Page;
  /** What the browser itself complained of: above all, violations of the page's own policy. */
  readonly complaints: readonly string[];
}

export interface TestBrowser {
  /** A new browser profile with JavaScript switched off: the hosted pages have to work without. */
  visit(context: TestContext): Promise<Visit>;
  close(): Promise<void>;
}

/** A real Chromium, where there is one; without it a visit skips its test with the reason, which CI refuses. */
export async function openBrowser(): Promise<TestBrowser> {
  const browser = executablePath ? await chromium.launch({ executablePath, args: launchArgs }) : undefined;
  return {
    visit: (context) => visit(browser, context),
    close: async () => browser?.close(),
  };
}

async function visit(browser: Browser | undefined, context: TestContext): Promise<Visit> {
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
}
