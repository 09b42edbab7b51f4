import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Scanner;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The nodes, the ports they keep, and the lines that tell the caller about them. */
final class Cluster implements AutoCloseable {
    private static final long ANSWER_SECONDS_MAX = 180;
    private static final long POLL_MILLISECONDS = 25;
    private static final Pattern VERSION = Pattern.compile("\"version\"\\s*:\\s*\"([^\"]+)\"");

    private final Launch launch;
    private final PrintStream protocol;
    private final Engine engine;
    private final Path directory;
    private final boolean old;
    private final int[] http;
    private final int[] transport;
    private final Engine.Node[] nodes;

    Cluster(Launch launch, PrintStream protocol) throws IOException {
        this.launch = launch;
        this.protocol = protocol;
        engine = new Engine(launch.text("family"), launch.number("major"), Path.of(launch.text("home")));
        directory = Path.of(launch.text("directory"));
        old = launch.text("family").equals("elasticsearch") && launch.number("major") < 7;
        int size = launch.number("nodes");
        int first = launch.number("port");
        nodes = new Engine.Node[size];
        // 0 lets the kernel choose when the server binds: nobody can take the port in between.
        http = IntStream.range(0, size).map(each -> first == 0 ? 0 : first + each).toArray();
        // Nodes that have to find each other need their ports beforehand, at the price of that gap.
        transport = size == 1 ? new int[] {0} : free(size);
    }

    int size() {
        return nodes.length;
    }

    /** All at the same time: the nodes of a new cluster elect each other before any is ready. */
    void open() throws Exception {
        FutureTask<?>[] starts = new FutureTask<?>[nodes.length];
        for (int each = 0; each < nodes.length; each++) {
            Engine.Node node = nodes[each] = engine.make(settings(each));
            starts[each] = new FutureTask<>(() -> {
                node.start();
                return null;
            });
            new Thread(starts[each], "start-" + each).start();
        }
        for (FutureTask<?> start : starts) {
            try {
                start.get();
            } catch (ExecutionException wrapped) {
                throw wrapped.getCause() instanceof Exception cause ? cause : wrapped;
            }
        }
        for (int each = 0; each < nodes.length; each++) {
            announce(each);
        }
    }

    /** {@code stop N} closes one node, {@code start N} opens it again with its data and its port. */
    void obey(InputStream orders) throws Exception {
        Scanner lines = new Scanner(orders, StandardCharsets.UTF_8);
        while (lines.hasNextLine()) {
            Matcher order = Pattern.compile("\\s*(stop|start)\\s+(\\d)\\s*").matcher(lines.nextLine());
            if (!order.matches() || Integer.parseInt(order.group(2)) >= nodes.length) {
                System.err.println("not understood; there are stop N and start N, N below " + nodes.length);
                continue;
            }
            int each = Integer.parseInt(order.group(2));
            boolean runs = nodes[each] != null;
            if (runs && order.group(1).equals("stop")) {
                nodes[each].close();
                nodes[each] = null;
                protocol.println("stopped " + address(each));
            } else if (!runs && order.group(1).equals("start")) {
                nodes[each] = engine.make(settings(each));
                nodes[each].start();
                announce(each);
            }
        }
    }

    @Override
    public void close() {
        for (Engine.Node node : nodes) {
            try {
                if (node != null) {
                    node.close();
                }
            } catch (Exception failure) {
                failure.printStackTrace();
            }
        }
        if (launch.text("directory.remove").equals("true")) {
            try (Stream<Path> files = Files.walk(directory)) {
                files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
            } catch (IOException failure) {
                System.err.println("left behind: " + directory + ": " + failure);
            }
        }
    }

    private Map<String, String> settings(int each) {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("path.home", launch.text("home"));
        settings.put("path.data", directory.resolve("data-" + each).toString());
        settings.put("path.logs", directory.resolve("logs").toString());
        settings.put("node.name", "node-" + each);
        settings.put("http.port", String.valueOf(http[each]));
        settings.put(old ? "transport.tcp.port" : "transport.port", String.valueOf(transport[each]));
        if (nodes.length == 1) {
            settings.put("discovery.type", "single-node");
        } else {
            String peers = IntStream.of(transport).mapToObj(port -> "127.0.0.1:" + port)
                .collect(Collectors.joining(","));
            settings.put(old ? "discovery.zen.ping.unicast.hosts" : "discovery.seed_hosts", peers);
            if (old) {
                settings.put("discovery.zen.minimum_master_nodes", String.valueOf(nodes.length / 2 + 1));
            } else {
                String names = IntStream.range(0, nodes.length).mapToObj(peer -> "node-" + peer)
                    .collect(Collectors.joining(","));
                settings.put(launch.text("initial"), names);
            }
        }
        settings.putAll(launch.settings());
        return settings;
    }

    private void announce(int each) throws Exception {
        http[each] = nodes[each].httpPort();
        long deadline = System.nanoTime() + ANSWER_SECONDS_MAX * 1_000_000_000L;
        while (fetch(each, "/_cluster/health") == null) {
            if (System.nanoTime() > deadline) {
                throw new IOException("no healthy answer from " + address(each) + " in "
                    + ANSWER_SECONDS_MAX + " s");
            }
            Thread.sleep(POLL_MILLISECONDS);
        }
        // The server's own word for what it is, which "GET /" cannot give before RootAction is there.
        String about = fetch(each, "/_nodes/_local?filter_path=nodes.*.version");
        Matcher version = VERSION.matcher(about == null ? "" : about);
        protocol.println("ready " + address(each) + " version " + (version.find() ? version.group(1) : "unknown"));
        protocol.flush();
    }

    private String address(int each) {
        return "http://127.0.0.1:" + http[each];
    }

    private String fetch(int each, String path) {
        try {
            HttpURLConnection connection =
                (HttpURLConnection) URI.create(address(each) + path).toURL().openConnection();
            if (connection.getResponseCode() != 200) {
                return null;
            }
            try (InputStream body = connection.getInputStream()) {
                return new String(body.readAllBytes(), StandardCharsets.UTF_8);
            }
        } catch (IOException notYet) {
            return null;
        }
    }

    private static int[] free(int count) throws IOException {
        ServerSocket[] held = new ServerSocket[count];
        int[] ports = new int[count];
        for (int each = 0; each < count; each++) {
            held[each] = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
            ports[each] = held[each].getLocalPort();
        }
        for (ServerSocket socket : held) {
            socket.close();
        }
        return ports;
    }
}
