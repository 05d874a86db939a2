export { FetchedDocuments } from './fetched-documents.ts';
export { type PrepareDeps, prepareClient } from './prepare-client.ts';
