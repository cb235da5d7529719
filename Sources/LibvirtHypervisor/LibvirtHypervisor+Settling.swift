import Libvirt

// libvirtd takes up the processes of its domains after it has begun to serve, one by one, and what it finds then it tells nobody:
// until that is over, what it says of such a domain is what it knew when it ended.
extension LibvirtHypervisor.Link {
    /// The domains with a process that libvirt does not have at hand.
    func unsettledDomains() async throws -> [Domain] {
        var unsettled: [Domain] = []
        for domain in try await connection.domains(.active) where try await !isSettled(domain) {
            unsettled.append(domain)
        }
        return unsettled
    }

    /// Tells of each when it is at hand, or has ended. Returns when all are, or the connection is gone.
    func waitUntilSettled(_ domains: [Domain], tell: @Sendable (DomainUUID) -> Void) async {
        var (domains, pause) = (domains, Duration.milliseconds(50))
        while true {
            var others: [Domain] = []
            for domain in domains {
                do {
                    if try await isSettled(domain) { tell(domain.uuid) } else { others.append(domain) }
                } catch let error as LibvirtError where error.kind == .deadlineExceeded || error.kind == .queueFull {
                    if connection.isHeldUp { connection.abandon() }
                    others.append(domain)
                } catch {
                    // The connection is gone, and the listing of the next one makes up for it.
                    return
                }
            }
            guard !others.isEmpty, (try? await Task.sleep(for: pause)) != nil else { return }
            domains = others
            pause = min(pause * 2, .seconds(2))
        }
    }

    private func isSettled(_ domain: Domain) async throws -> Bool {
        do {
            return try await domain.isAtHand()
        } catch let error as LibvirtError where error.kind == .libvirt {
            // It has no process any more, or is one of a driver that keeps none.
            return true
        }
    }
}
