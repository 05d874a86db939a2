/**
 * A certificate for localhost and 127.0.0.1 that signs itself, valid until 2120, and its key: known to everybody, good for
 * nothing but loopback in tests. Nothing in Node or Bun makes one.
 */
export const loopbackTls = {
  key: pem('PRIVATE KEY', [
    'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgeyw2YH0se0FByCEga34bmEBl3EhFLr8FlM5cS2vOf3uhRANCAARY/USd+mrPTgOd',
    'LtfKvaCJ6DKXO357CtSdTnu1melSBuK/GXJxS8+jPhe1mDVv8B24wiyXOIFBpVbqvpItWV4E',
  ]),
  cert: pem('CERTIFICATE', [
    'MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBa',
    'MBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFj9RJ36as9OA50u18q9oInoMpc7fnsK1J1Oe7WZ6VIG4r8Z',
    'cnFLz6M+F7WYNW/wHbjCLJc4gUGlVuq+ki1ZXgSjTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8EBTADAQH/MB0GA1Ud',
    'DgQWBBSGWduyDiPmG2zjR6OuVnLtWlQ8WTAKBggqhkjOPQQDAgNIADBFAiBdtDS04ehSZMkMuV+1zFOvm9O6po9Pjccihmc0mFPT+wIhAM043kX7',
    'cfdjwDouPSzdQfpHjPWpJWTA0OX1wGPqPTRC',
  ]),
};

function pem(label: string, lines: readonly string[]): string {
  const body = lines.join('').replace(/.{64}(?!$)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}
