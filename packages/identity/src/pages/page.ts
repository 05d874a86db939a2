import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';

type Markup = ReturnType<typeof html>;

const style = `
:root{color-scheme:light dark;--ink:#16202a;--soft:#566472;--line:#8793a0;--paper:#fff;--back:#eef1f5;--accent:#1f5fbf;--bad:#a3182b}
@media(prefers-color-scheme:dark){:root{--ink:#eef2f6;--soft:#a9b5c1;--line:#6c7a88;--paper:#1b232c;--back:#11171d;--accent:#7fb0ff;--bad:#ff9aa6}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--back);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:24rem;background:var(--paper);border-radius:.75rem;padding:2rem;box-shadow:0 1px 3px #0003}
h1{margin:0 0 .25rem;font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere}
p{margin:0 0 1.25rem;color:var(--soft)}
label{display:block;margin:1rem 0 .25rem;font-weight:600}
input{width:100%;padding:.625rem .75rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:.5rem}
button{width:100%;margin-top:1.5rem;padding:.75rem;font:inherit;font-weight:600;color:var(--paper);background:var(--accent);border:0;border-radius:.5rem;cursor:pointer}
button.second{color:var(--ink);background:transparent;border:1px solid var(--line)}
h2{margin:2rem 0 .25rem;font-size:1.125rem}
ul{margin:0;padding-left:1.25rem}
[role=note]{margin:1rem 0 0;padding:.75rem;border-left:4px solid var(--line);background:var(--back)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
dl{margin:1.25rem 0 0}dt{color:var(--soft)}dd{margin:0 0 .75rem;overflow-wrap:anywhere}
[role=alert]{margin:1rem 0 0;padding:.75rem;border-left:4px solid var(--bad);color:var(--bad);background:var(--back)}
`;

/** CSP source of the one style sheet (https://www.w3.org/TR/CSP3/#match-element-to-source-list): no other style, no script. */
export const styleSource = `'sha256-${createHash('sha256').update(style).digest('base64')}'`;

/** A whole page. Everything interpolated is escaped. */
export function page(title: string, body: Markup): Markup {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(style)}</style>
</head>
<body><main>${body}</main></body>
</html>`;
}

/** Takes the focus when the page opens, so that it is read out and seen first, without a script. */
export function alert(text: string): Markup {
  return html`<div role="alert" id="error" tabindex="-1" autofocus>${text}</div>`;
}
