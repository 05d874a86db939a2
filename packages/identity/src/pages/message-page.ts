import { html } from 'hono/html';
import { page } from './page.ts';

/** A page that only says something. */
export function messagePage(title: string, text: string) {
  return page(title, html`<h1>${title}</h1><p>${text}</p>`);
}
