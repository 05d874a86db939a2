/** Name of the migrated database that test files clone. */
export const templateName = 'mono_template';
/** Key-encryption key of the tests: fixed, so that the template's logins serve every clone. */
export const testKek = new Uint8Array(32).fill(7);
