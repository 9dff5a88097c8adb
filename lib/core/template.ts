/** Text with `$name` and `${name}` in it, as Python's `string.Template` reads it. */

/** `Template(text).safe_substitute(values)`: `$$` becomes `$`, names without a value and stray `$` stay as they are. */
export function safeSubstitute(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$(?:(\$)|([_a-z][_a-z0-9]*)|\{([_a-z][_a-z0-9]*)\})/gi,
    (whole, dollar: string | undefined, plain: string | undefined, braced: string | undefined) => {
      if (dollar !== undefined) return "$";
      const name = plain ?? braced!;
      return Object.hasOwn(values, name) ? values[name]! : whole;
    },
  );
}
