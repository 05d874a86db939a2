import * as bundle from './bundle.ts';
import * as checkpoint from './checkpoint.ts';
import * as merkle from './merkle.ts';
import * as note from './note.ts';
import * as tiles from './tiles.ts';

export { bundle, checkpoint, merkle, note, tiles };
