import {
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescFile,
  type DescMessage,
  ScalarType,
} from '@bufbuild/protobuf';

/**
 * Prints a file descriptor as .proto source, so that `buf` can resolve an import whose source no npm package ships
 * (buf/validate/validate.proto) without the schema registry. Options are left out: they matter at run time only,
 * where the descriptor inside @bufbuild/protovalidate is used.
 */
export function printProto(file: DescFile): string {
  const imports = file.dependencies.map((dependency) => `import "${dependency.name}.proto";`);
  return [
    `syntax = "${file.proto.syntax || 'proto2'}";`,
    `package ${file.proto.package};`,
    ...imports,
    ...file.extensions.map((extension) => printExtension(extension)),
    ...file.enums.map((item) => printEnum(item, '')),
    ...file.messages.map((item) => printMessage(item, '')),
    '',
  ].join('\n');
}

function printExtension(extension: DescExtension): string {
  return `extend .${extension.extendee.typeName} {\n  ${printField(extension)}\n}`;
}

function printEnum(item: DescEnum, indent: string): string {
  const values = item.values.map((value) => `${indent}  ${value.proto.name} = ${value.number};`);
  return [`${indent}enum ${item.name} {`, ...values, `${indent}}`].join('\n');
}

function printMessage(item: DescMessage, indent: string): string {
  const inner = `${indent}  `;
  const lines = item.members.flatMap((member) =>
    member.kind === 'oneof'
      ? [
          `${inner}oneof ${member.name} {`,
          ...member.fields.map((field) => `${inner}  ${printField(field)}`),
          `${inner}}`,
        ]
      : [`${inner}${printField(member)}`],
  );
  const ranges = item.proto.extensionRange.map((range) => {
    const end = (range.end ?? 0) - 1;
    return `${inner}extensions ${range.start} to ${end >= 536870911 ? 'max' : end};`;
  });
  return [
    `${indent}message ${item.name} {`,
    ...item.nestedEnums.map((nested) => printEnum(nested, inner)),
    ...item.nestedMessages
      .filter((nested) => !nested.proto.options?.mapEntry)
      .map((nested) => printMessage(nested, inner)),
    ...lines,
    ...ranges,
    `${indent}}`,
  ].join('\n');
}

function printField(field: DescField | DescExtension): string {
  const type =
    field.fieldKind === 'map' ? `map<${ScalarType[field.mapKey].toLowerCase()}, ${mapValue(field)}>` : single(field);
  const inOneof = field.kind === 'field' && field.oneof !== undefined;
  const label = field.fieldKind === 'map' || inOneof ? '' : field.fieldKind === 'list' ? 'repeated ' : 'optional ';
  return `${label}${type} ${field.proto.name} = ${field.number};`;
}

function single(field: DescField | DescExtension): string {
  if (field.message) return `.${field.message.typeName}`;
  if (field.enum) return `.${field.enum.typeName}`;
  return field.scalar === undefined ? 'bytes' : ScalarType[field.scalar].toLowerCase();
}

function mapValue(field: Extract<DescField, { fieldKind: 'map' }>): string {
  if (field.message) return `.${field.message.typeName}`;
  if (field.enum) return `.${field.enum.typeName}`;
  return ScalarType[field.scalar].toLowerCase();
}
