// The window over the page that the dialog lives in: a modal with a document of its own.
//
// In a document of its own no key, wheel or style of the page reaches the dialog, nor its keys the
// page: Ctrl+Z undoes a stroke, and not the canvas's last change too. The modal keeps everything
// behind it still and out of reach, and gives the focus back when it is closed.

const COVER = `
  position: fixed; inset: 0; width: 100vw; height: 100vh; max-width: none; max-height: none;
  margin: 0; padding: 0; border: 0; background: #141518; overflow: hidden;
`;

/** Gives the frame's document, and a signal that ends when `close()` has been called. */
export async function openFrame(title, style, language) {
  const cover = document.createElement("dialog");
  const frame = document.createElement("iframe");
  cover.style.cssText = COVER;
  cover.setAttribute("aria-label", title);
  frame.title = title;
  frame.style.cssText = "display: block; width: 100%; height: 100%; border: 0;";
  frame.srcdoc = "<!doctype html><title></title>";
  const loaded = new Promise((done) => frame.addEventListener("load", done, { once: true }));
  // Escape is the dialog's own to answer.
  cover.addEventListener("cancel", (event) => event.preventDefault());
  cover.append(frame);
  const before = document.activeElement;
  document.body.append(cover);
  cover.showModal();
  await loaded;

  const inside = frame.contentDocument;
  const sheet = document.createElement("style");
  sheet.textContent = style;
  inside.head.append(sheet);
  inside.title = title;
  inside.documentElement.lang = language;
  frame.contentWindow.focus();

  const ended = new AbortController();
  const close = () => {
    if (ended.signal.aborted) return;
    ended.abort();
    cover.close();
    cover.remove();
    before?.focus?.({ preventScroll: true });
  };
  trapFocus(inside, ended.signal);
  return { document: inside, signal: ended.signal, close };
}

/** The page behind is out of reach; this keeps Tab from leaving for the browser's own bar. */
function trapFocus(inside, signal) {
  const turn = (event) => {
    if (event.key !== "Tab") return;
    const scope = [...inside.querySelectorAll("dialog[open]")].at(-1) ?? inside;
    const stops = [...scope.querySelectorAll("button, input, select, a[href], [tabindex='0']")];
    const reached = stops.filter((one) => !one.disabled && one.tabIndex >= 0 && visible(one));
    const ends = [reached[0], reached.at(-1)];
    const [first, last] = event.shiftKey ? ends.toReversed() : ends;
    const outside = !scope.contains(inside.activeElement) || inside.activeElement === inside.body;
    if (!first || (inside.activeElement !== last && !outside)) return;
    event.preventDefault();
    first.focus();
  };
  inside.addEventListener("keydown", turn, { signal });
}

const visible = (element) => element.checkVisibility?.({ visibilityProperty: true }) ?? true;
