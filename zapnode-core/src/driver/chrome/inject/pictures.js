// Pictures of groups and channels: the page takes two squares as data addresses (fact sheet §6).

const THUMBNAIL_PIXELS = 96;
const PICTURE_PIXELS = 640;

/** The middle of an image as a JPEG square. */
function square(bitmap, pixels) {
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = document.createElement("canvas");
  canvas.width = pixels;
  canvas.height = pixels;
  const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  canvas.getContext("2d").drawImage(bitmap, left, top, side, side, 0, 0, pixels, pixels);
  return canvas.toDataURL("image/jpeg", 0.9);
}

/** Both squares of a file that comes as base64. */
async function pictureSquares({ data, mime }, ticket) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const reading = createImageBitmap(new Blob([bytes], { type: mime })).catch(() => {
    throw refused("the browser cannot read this picture");
  });
  const bitmap = await ticket.wait("the picture to be read", reading);
  try {
    return { small: square(bitmap, THUMBNAIL_PIXELS), large: square(bitmap, PICTURE_PIXELS) };
  } finally {
    bitmap.close();
  }
}

/** Gives a group another picture, or takes it away. */
async function changeGroupPicture(id, picture, ticket) {
  const [part, may] = picture ? ["setChatPicture", "canSet"] : ["deleteChatPicture", "canDelete"];
  needed(part);
  const thumbs = optional("pictureThumbs");
  const thumb = thumbs?.get?.(id) ?? (await within(5000, guarded("picture", () => thumbs?.find?.(widFor(id)))));
  if (typeof field(thumb, may) === "function" && !thumb[may]()) throw onlyAdmins();
  let answer;
  if (picture) {
    const { small, large } = await pictureSquares(picture, ticket);
    ticket.step("WhatsApp to take the picture");
    answer = await invoke(part, widFor(id), small, large);
  } else {
    answer = await invoke(part, widFor(id));
  }
  const status = countOf(field(answer, "status"));
  if (status !== 200) throw new BridgeError("server", "WhatsApp did not take the picture", { status });
}
