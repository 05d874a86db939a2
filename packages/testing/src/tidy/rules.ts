import { anatomy } from './anatomy.ts';
import { authentication } from './authentication.ts';
import { bannedWords } from './banned-words.ts';
import { cycles } from './cycles.ts';
import { deadExports } from './dead-exports.ts';
import { dependencies } from './dependencies.ts';
import { layers } from './layers.ts';
import { migrations } from './migrations.ts';
import { pins } from './pins.ts';
import { remembered } from './remembered.ts';
import { rooms } from './rooms.ts';
import { serving } from './serving.ts';
import { size } from './size.ts';
import type { Rule } from './source.ts';
import { sql } from './sql.ts';
import { tenantLiterals } from './tenant-literals.ts';
import { topLevel } from './top-level.ts';

/** Every rule of the house that a program can hold, by the name its violations carry. */
export const rules = {
  layers,
  dependencies,
  cycles,
  rooms,
  remembered,
  serving,
  authentication,
  'banned-words': bannedWords,
  sql,
  size,
  'dead-exports': deadExports,
  'top-level': topLevel,
  'tenant-literals': tenantLiterals,
  anatomy,
  migrations,
  pins,
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;
