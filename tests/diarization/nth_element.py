"""The quickselect of libstdc++, one comparison at a time."""


def nth_element(values, k):
    """Returns the numbers of the values that it moves to the first k places, the greatest."""
    a = list(range(len(values)))
    first, last = 0, len(a)

    def above(x, y):
        return values[x] > values[y]

    while last - first > 3:
        one, middle, end = first + 1, first + (last - first) // 2, last - 1
        if above(a[one], a[middle]):
            median = middle if above(a[middle], a[end]) else end if above(a[one], a[end]) else one
        else:
            median = one if above(a[one], a[end]) else end if above(a[middle], a[end]) else middle
        a[first], a[median] = a[median], a[first]
        low, high = first + 1, last
        while True:
            while above(a[low], a[first]):
                low += 1
            high -= 1
            while above(a[first], a[high]):
                high -= 1
            if not low < high:
                break
            a[low], a[high] = a[high], a[low]
            low += 1
        first, last = (low, last) if low <= k - 1 else (first, low)
    a[first:last] = sorted(a[first:last], key=lambda i: -values[i])
    return a[:k]
